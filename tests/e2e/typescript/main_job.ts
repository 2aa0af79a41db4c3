// The main job with a client that is generated from the OpenAPI document, and nothing cast.

import createClient from "openapi-fetch";

import type { components, paths } from "./api.js";

type Upload = components["schemas"]["Upload"];
type Problem = components["schemas"]["Problem"];

const as = (baseUrl: string, credentials: string) =>
  createClient<paths>({ baseUrl, headers: { Authorization: `Bearer ${credentials}` } });

/** What went wrong, whether the service says it or API Gateway does. */
function explained(error: Problem | { message: string }): Error {
  if ("message" in error) return new Error(`API Gateway: ${error.message}`);
  const fields = error.errors?.map(({ field, detail }) => `${field} ${detail}`) ?? [];
  return new Error([error.code, error.detail, ...fields].join(": "));
}

/** Sends a photo as the user whose token it is, and answers the address of the picture. */
export async function setPicture(baseUrl: string, token: string, photo: Blob): Promise<string> {
  const client = as(baseUrl, token);
  const form = await client.POST("/api/v1/uploads", {
    params: { header: { "Idempotency-Key": crypto.randomUUID() } },
    body: { kind: "profile_picture", contentLength: photo.size, crop: { x: 0.5, y: 0.5, size: 1 } },
  });
  if (form.error) throw explained(form.error);
  const body = new FormData();
  for (const [name, value] of Object.entries(form.data.fields)) body.append(name, value);
  body.append("file", photo);
  const sent = await fetch(form.data.url, { method: "POST", body });
  if (!sent.ok) throw new Error(await sent.text());
  const upload = await processed(client, form.data.uploadId);
  if (upload.reason) throw new Error(upload.reason);
  const set = await client.PATCH("/api/v1/users/me/profile-picture", {
    body: { uploadId: upload.id },
  });
  if (set.error) throw explained(set.error);
  return set.data.avatar.url;
}

async function processed(client: ReturnType<typeof as>, id: string): Promise<Upload> {
  for (;;) {
    const { data, error } = await client.GET("/api/v1/uploads/{upload_id}", {
      params: { path: { upload_id: id } },
    });
    if (error) throw explained(error);
    if (data.state !== "pending") return data;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

/** Creates, changes, finds and deletes a user as the holder of the key. */
export async function manageUsers(baseUrl: string, key: string, email: string): Promise<void> {
  const client = as(baseUrl, key);
  const created = await client.POST("/api/v1/shared/users", {
    body: { email, firstName: "Grace", lastName: "Hopper" },
  });
  if (created.error) throw explained(created.error);
  const params = { path: { user_id: created.data.id } };
  const changed = await client.PATCH("/api/v1/shared/users/{user_id}", {
    params,
    body: { username: null, state: "locked" },
  });
  if (changed.error) throw explained(changed.error);
  const found = await client.GET("/api/v1/shared/users", { params: { query: { email } } });
  if (found.error) throw explained(found.error);
  const names: (string | null)[] = found.data.users.map((user) => user.firstName);
  if (names.length !== 1 || found.data.nextCursor !== null) throw new Error("not found");
  const deleted = await client.DELETE("/api/v1/shared/users/{user_id}", { params });
  if (deleted.error) throw explained(deleted.error);
}

/** Mistakes that the types have to catch; nobody calls this. */
export async function mistakes(baseUrl: string, key: string): Promise<void> {
  const client = as(baseUrl, key);
  // @ts-expect-error: what is required may not be left out
  await client.POST("/api/v1/uploads", { body: { contentLength: 1 } });
  // @ts-expect-error: there is no such path
  await client.GET("/api/v1/nothing");
  // @ts-expect-error: an e-mail address may be cleared, a state may not
  const body: components["schemas"]["UserPatch"] = { email: null, state: null };
  // @ts-expect-error: a name may be null
  const name: string = (await client.GET("/api/v1/users/me")).data!.firstName;
  console.log(body, name);
}
