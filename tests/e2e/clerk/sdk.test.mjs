// Every call that an application makes with @clerk/backend, with nothing changed but `apiUrl`.
//
//   API_URL=http://localhost:3000 SECRET_KEY=... PHOTOS=tests/photos IDS='["42"]' TOKEN=... node --test
//
// TOKEN is a token of a user, and IDS are ids as identity providers make them.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { createClerkClient } from "@clerk/backend";
import { isClerkAPIResponseError } from "@clerk/backend/errors";

const { API_URL, SECRET_KEY, PHOTOS, IDS, TOKEN } = process.env;
const clerkClient = createClerkClient({ secretKey: SECRET_KEY, apiUrl: API_URL });
const { users, emailAddresses, phoneNumbers } = clerkClient;

const unique = (prefix) => `${prefix}${randomBytes(8).toString("hex")}`;
const address = () => `${unique("js-")}@example.com`;
const number = () => `+1555${randomBytes(4).readUInt32BE().toString().padStart(10, "0")}`;
const photo = (name) => new File([readFileSync(join(PHOTOS, name))], name, { type: "image/jpeg" });
const person = (attributes = {}) => users.createUser({ emailAddress: [address()], ...attributes });

/** What the SDK says of a call that the service refuses. */
async function refusal(call) {
  try {
    await call;
  } catch (error) {
    assert.ok(isClerkAPIResponseError(error), error);
    assert.ok(error.clerkTraceId);
    assert.ok(error.errors[0].longMessage);
    const [{ code, meta }] = error.errors;
    return [error.status, code, meta?.paramName];
  }
  assert.fail("the call is not refused");
}

test("createUser and getUser", async () => {
  const attributes = {
    externalId: unique("legacy-"),
    username: unique("ada_"),
    firstName: "Ada",
    lastName: "Lovelace",
    locale: "en-GB",
    emailAddress: [address(), address()],
    phoneNumber: [number()],
    password: "correct horse",
    publicMetadata: { planTier: "pro", snake_case: 1 },
    privateMetadata: { crmId: [7, null] },
    unsafeMetadata: { Theme: { darkMode: true } },
    createdAt: new Date("2012-10-20T07:15:20.902Z"),
    legalAcceptedAt: new Date("2012-10-20T07:15:21.000Z"),
  };
  const user = await users.createUser(attributes);
  for (const name of ["externalId", "username", "firstName", "lastName", "locale"]) {
    assert.equal(user[name], attributes[name]);
  }
  for (const name of ["publicMetadata", "privateMetadata", "unsafeMetadata"]) {
    assert.deepEqual(user[name], attributes[name]);
  }
  assert.deepEqual(user.emailAddresses.map((each) => each.emailAddress), attributes.emailAddress);
  assert.equal(user.primaryEmailAddress.emailAddress, attributes.emailAddress[0]);
  assert.equal(user.primaryEmailAddress.verification.status, "verified");
  assert.equal(user.primaryPhoneNumber.phoneNumber, attributes.phoneNumber[0]);
  assert.equal(user.createdAt, Date.parse("2012-10-20T07:15:20.902Z"));
  assert.equal(user.legalAcceptedAt, Date.parse("2012-10-20T07:15:21.000Z"));
  assert.equal(user.passwordEnabled, true);
  assert.equal(user.hasImage, false);
  assert.equal(user.fullName, "Ada Lovelace");
  assert.deepEqual((await users.getUser(user.id)).raw, user.raw);
});

test("updateUser, as documented", async () => {
  const { id, updatedAt } = await person();
  const user = await users.updateUser(id, { firstName: "John", lastName: "Wick" });
  assert.deepEqual([user.firstName, user.lastName], ["John", "Wick"]);
  assert.ok(user.updatedAt >= updatedAt);
  assert.deepEqual((await users.getUser(id)).raw, user.raw);
});

test("updateUser with every kind of attribute", async () => {
  const { id } = await person({ username: unique("old_"), phoneNumber: [number(), number()] });
  const email = await emailAddresses.createEmailAddress({
    userId: id,
    emailAddress: address(),
    verified: true,
  });
  const phone = (await users.getUser(id)).phoneNumbers[1];
  const username = unique("new_");
  const externalId = unique("x-");
  const user = await users.updateUser(id, {
    username,
    externalId,
    locale: "de",
    primaryEmailAddressID: email.id,
    primaryPhoneNumberID: phone.id,
    notifyPrimaryEmailAddressChanged: false,
    deleteSelfEnabled: false,
    createOrganizationEnabled: false,
    createdAt: new Date("2020-02-02T02:02:02.020Z"),
    publicMetadata: { camelCase: { snake_case: 1 } },
  });
  assert.deepEqual([user.username, user.externalId, user.locale], [username, externalId, "de"]);
  assert.equal(user.primaryEmailAddressId, email.id);
  assert.equal(user.primaryPhoneNumberId, phone.id);
  assert.equal(user.deleteSelfEnabled, false);
  assert.equal(user.createOrganizationEnabled, false);
  assert.equal(user.createdAt, Date.parse("2020-02-02T02:02:02.020Z"));
  assert.deepEqual(user.publicMetadata, { camelCase: { snake_case: 1 } });
  assert.equal((await users.updateUser(id, { username: "" })).username, null);
  assert.deepEqual((await users.updateUser(id)).id, id);
});

test("updateUser takes the metadata it is given as a whole", async () => {
  const { id } = await person({ publicMetadata: { a: 1 }, privateMetadata: { p: 1 } });
  const user = await users.updateUser(id, { firstName: "Ada", publicMetadata: { b: 2 } });
  assert.equal(user.firstName, "Ada");
  assert.deepEqual(user.publicMetadata, { b: 2 });
  assert.deepEqual(user.privateMetadata, { p: 1 });
});

test("updateUserMetadata merges, replaceUserMetadata replaces", async () => {
  const { id } = await person({ publicMetadata: { a: { b: 1, c: 2 }, gone: 1 } });
  const merged = await users.updateUserMetadata(id, {
    publicMetadata: { a: { b: null, d: 3 }, gone: null },
    privateMetadata: { someKey: 1 },
  });
  assert.deepEqual(merged.publicMetadata, { a: { c: 2, d: 3 } });
  assert.deepEqual(merged.privateMetadata, { someKey: 1 });
  const replaced = await users.replaceUserMetadata(id, { publicMetadata: { e: 5 } });
  assert.deepEqual(replaced.publicMetadata, { e: 5 });
  assert.deepEqual(replaced.privateMetadata, { someKey: 1 });
});

test("updateUserProfileImage and deleteUserProfileImage", async () => {
  const { id, imageUrl } = await person({ firstName: "Ada", lastName: "Lovelace" });
  const first = await users.updateUserProfileImage(id, { file: photo("astronaut.jpg") });
  assert.equal(first.hasImage, true);
  const second = await users.updateUserProfileImage(id, { file: photo("flower.jpg") });
  assert.notEqual(second.imageUrl, first.imageUrl);
  assert.deepEqual((await users.getUser(id)).raw, second.raw);
  for (const url of [second.imageUrl, imageUrl]) {
    const picture = await fetch(url);
    assert.equal(picture.status, 200);
    assert.equal(picture.headers.get("content-type"), "image/webp");
    assert.match(picture.headers.get("cache-control"), /max-age=31536000/);
    assert.equal(Buffer.from(await picture.arrayBuffer()).toString("latin1", 8, 12), "WEBP");
  }
  const removed = await users.deleteUserProfileImage(id);
  assert.deepEqual([removed.hasImage, removed.imageUrl], [false, imageUrl]);
});

test("updateUserProfileImage with the documented text is refused", async () => {
  const { id } = await person();
  const file = new File(["profile-pic-content"], "profile-pic.png", { type: "image/png" });
  const refused = await refusal(users.updateUserProfileImage(id, { file }));
  assert.deepEqual(refused, [400, "request_body_invalid", "file"]);
});

test("updateUserProfileImage with more than 4 MiB is refused", async () => {
  const { id } = await person();
  const file = new File([Buffer.alloc(4 * 1024 * 1024 + 1, "x")], "large.jpg");
  const refused = await refusal(users.updateUserProfileImage(id, { file }));
  assert.deepEqual(refused, [413, "image_too_large", "file"]);
});

test("getUserList and getCount", async () => {
  const known = await Promise.all(
    [1, 2, 3].map(() =>
      person({ username: unique("list_"), externalId: unique("list-"), phoneNumber: [number()] }),
    ),
  );
  const ids = known.map((each) => each.id);
  const filters = {
    userId: ids,
    emailAddress: known.map((each) => each.primaryEmailAddress.emailAddress),
    phoneNumber: known.map((each) => each.primaryPhoneNumber.phoneNumber),
    username: known.map((each) => each.username),
    externalId: known.map((each) => each.externalId),
  };
  for (const [name, values] of Object.entries(filters)) {
    const found = await users.getUserList({ [name]: values });
    assert.deepEqual(new Set(found.data.map((each) => each.id)), new Set(ids), name);
    assert.equal(found.totalCount, 3);
    assert.equal(await users.getCount({ [name]: values.slice(1) }), 2);
  }
  const inOrder = await users.getUserList({ userId: ids, orderBy: "+created_at", limit: 2 });
  const times = inOrder.data.map((each) => each.createdAt);
  assert.deepEqual(times, [...times].sort());
  assert.deepEqual([inOrder.data.length, inOrder.totalCount], [2, 3]);
  const rest = await users.getUserList({ userId: ids, orderBy: "+created_at", limit: 2, offset: 2 });
  assert.deepEqual(
    new Set([...inOrder.data, ...rest.data].map((each) => each.id)),
    new Set(ids),
  );
  const everybody = await users.getUserList({ limit: 3, orderBy: "-updated_at" });
  assert.equal(everybody.data.length, 3);
  assert.ok(everybody.totalCount >= 3);
  assert.ok((await users.getCount()) >= 3);
  const refused = await refusal(users.getUserList({ query: "ada" }));
  assert.deepEqual(refused, [422, "form_param_unknown", "query"]);
});

test("verifyPassword", async () => {
  const { id: userId } = await person({ password: "correct horse" });
  const verified = await users.verifyPassword({ userId, password: "correct horse" });
  assert.deepEqual(verified, { verified: true });
  const wrong = await refusal(users.verifyPassword({ userId, password: "wrong horse" }));
  assert.deepEqual(wrong.slice(0, 2), [422, "incorrect_password"]);
  const { id } = await person();
  const none = await refusal(users.verifyPassword({ userId: id, password: "correct horse" }));
  assert.deepEqual(none.slice(0, 2), [400, "no_password_set"]);
});

test("a digest from elsewhere is verified", async () => {
  // "correct horse", hashed with bcrypt at its lowest cost
  const passwordDigest = "$2b$04$SxvFLmumKUysc4YYBCKC6Owaz4egMBzx6taYJpqjcpFAL4062mERy";
  const { id: userId } = await person({ passwordDigest, passwordHasher: "bcrypt" });
  const verified = await users.verifyPassword({ userId, password: "correct horse" });
  assert.deepEqual(verified, { verified: true });
});

test("emailAddresses", async () => {
  const { id: userId } = await person();
  const value = address();
  const created = await emailAddresses.createEmailAddress({ userId, emailAddress: value });
  assert.equal(created.emailAddress, value);
  assert.equal(created.verification.status, "unverified");
  assert.deepEqual((await emailAddresses.getEmailAddress(created.id)).id, created.id);
  const updated = await emailAddresses.updateEmailAddress(created.id, {
    verified: true,
    primary: true,
  });
  assert.equal(updated.verification.status, "verified");
  assert.equal((await users.getUser(userId)).primaryEmailAddressId, created.id);
  const deleted = await emailAddresses.deleteEmailAddress(created.id);
  assert.deepEqual([deleted.id, deleted.deleted], [created.id, true]);
  const gone = await refusal(emailAddresses.getEmailAddress(created.id));
  assert.deepEqual(gone.slice(0, 2), [404, "resource_not_found"]);
});

test("phoneNumbers", async () => {
  const { id: userId } = await person();
  const value = number();
  const created = await phoneNumbers.createPhoneNumber({ userId, phoneNumber: value });
  assert.equal(created.phoneNumber, value);
  assert.equal((await phoneNumbers.getPhoneNumber(created.id)).phoneNumber, value);
  const updated = await phoneNumbers.updatePhoneNumber(created.id, {
    verified: true,
    primary: true,
  });
  assert.equal(updated.verification.status, "verified");
  assert.equal((await users.getUser(userId)).primaryPhoneNumberId, created.id);
  const deleted = await phoneNumbers.deletePhoneNumber(created.id);
  assert.deepEqual([deleted.id, deleted.deleted], [created.id, true]);
});

test("banUser, unbanUser, lockUser and unlockUser", async () => {
  const { id } = await person();
  assert.equal((await users.banUser(id)).banned, true);
  assert.equal((await users.unbanUser(id)).banned, false);
  assert.equal((await users.lockUser(id)).locked, true);
  assert.equal((await users.unlockUser(id)).locked, false);
});

test("deleteUser", async () => {
  const { id } = await person();
  const deleted = await users.deleteUser(id);
  assert.deepEqual([deleted.id, deleted.object, deleted.deleted], [id, "user", true]);
  const gone = await refusal(users.getUser(id));
  assert.deepEqual(gone.slice(0, 2), [404, "resource_not_found"]);
});

test("users have the ids that their identity provider made", async () => {
  const native = `${API_URL}/api/v1/shared/users`;
  const headers = { Authorization: `Bearer ${SECRET_KEY}` };
  for (const id of JSON.parse(IDS)) {
    await fetch(`${native}/${encodeURIComponent(id)}`, { method: "DELETE", headers }); // an earlier run's
    const body = JSON.stringify({ id, email: address(), firstName: "Grace", lastName: "Hopper" });
    const created = await fetch(native, { method: "POST", headers, body });
    assert.equal(created.status, 201, await created.text());
    const user = await users.getUser(id);
    assert.deepEqual([user.id, user.firstName], [id, "Grace"]);
    assert.equal((await users.updateUser(id, { lastName: "King" })).lastName, "King");
    assert.equal((await users.banUser(id)).banned, true);
    const found = await users.getUserList({ userId: [`+${id}`] });
    assert.deepEqual(found.data.map((each) => each.id), [id]);
    const email = await emailAddresses.getEmailAddress(user.emailAddresses[0].id);
    assert.equal(email.emailAddress, user.emailAddresses[0].emailAddress);
    const shown = await users.updateUserProfileImage(id, { file: photo("astronaut.jpg") });
    assert.equal((await fetch(shown.imageUrl)).status, 200);
    assert.equal((await users.deleteUser(id)).id, id);
    assert.equal((await refusal(users.getUser(id)))[0], 404);
  }
});

test("authenticateRequest verifies a token with the keys of GET /v1/jwks", async () => {
  const publishableKey = `pk_test_${Buffer.from("clerk.example.com$").toString("base64")}`;
  const client = createClerkClient({ secretKey: SECRET_KEY, apiUrl: API_URL, publishableKey });
  const { sub } = JSON.parse(Buffer.from(TOKEN.split(".")[1], "base64url"));
  const authenticate = (token) =>
    client.authenticateRequest(
      new Request("https://app.example.com/", { headers: { Authorization: `Bearer ${token}` } }),
    );
  const state = await authenticate(TOKEN);
  assert.equal(state.isAuthenticated, true, state.message);
  assert.equal(state.toAuth().userId, sub);
  assert.equal((await authenticate(`${TOKEN.slice(0, -8)}AAAAAAAA`)).isAuthenticated, false);
});

test("calls that the service does not have are refused in Clerk's form", async () => {
  const calls = [
    () => clerkClient.organizations.getOrganizationList(),
    () => clerkClient.sessions.getSession("sess_1"),
    () => clerkClient.invitations.getInvitationList(),
  ];
  for (const call of calls) {
    assert.deepEqual((await refusal(call())).slice(0, 2), [404, "resource_not_found"]);
  }
});

test("errors say what happened", async () => {
  const { id, primaryEmailAddress } = await person();
  const taken = await refusal(
    users.createUser({ emailAddress: [primaryEmailAddress.emailAddress] }),
  );
  assert.deepEqual(taken, [422, "form_identifier_exists", "email_address"]);
  const short = await refusal(users.updateUser(id, { password: "short" }));
  assert.deepEqual(short, [422, "form_password_length_too_short", "password"]);
  const unknown = await refusal(users.updateUser(id, { totpSecret: "AICJ3HCXKO4KOY6N" }));
  assert.deepEqual(unknown, [422, "form_param_unknown", "totp_secret"]);
  const stranger = createClerkClient({ secretKey: "sk_test_wrong", apiUrl: API_URL });
  const denied = await refusal(stranger.users.getUser(id));
  assert.deepEqual(denied.slice(0, 2), [401, "authentication_invalid"]);
});

test("of two updates to one username one wins", async () => {
  for (let round = 0; round < 3; round += 1) {
    const username = unique("neo_");
    const both = await Promise.all([person(), person()]);
    const outcomes = await Promise.all(
      both.map(({ id }) =>
        users.updateUser(id, { username }).then(
          (user) => user.username,
          (error) => error.errors[0].code,
        ),
      ),
    );
    assert.deepEqual(outcomes.sort(), ["form_identifier_exists", username].sort());
  }
});
