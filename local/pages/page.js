// The page of `make run`: the elements as one user or another, and what the three APIs say of them.

const { secretKey, userId, appId } = await (await fetch("/_page/facts.json")).json();
const find = (id) => document.getElementById(id);
const picture = document.querySelector("profile-picture");
const query = "query ($id: ID!) { node(id: $id) { id ... on User { formattedName standardAttributes } } }";
const people = [["Grace", "Hopper"], ["Alan", "Turing"], ["Mary", "Jackson"], ["José", "Ñuñez"]];
let user = userId;
let api = "Native";

const base64Url = (text) =>
  btoa(String.fromCharCode(...new TextEncoder().encode(text)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");

const requests = {
  Native: () => ({ path: `/api/v1/shared/users/${encodeURIComponent(user)}` }),
  Clerk: () => ({ path: `/v1/users/${encodeURIComponent(user)}` }),
  Authgear: () => ({
    path: "/_api/admin/graphql",
    body: { query, variables: { id: base64Url(`User:${user}`) } },
  }),
};

function call(path, body) {
  return fetch(path, {
    method: body ? "POST" : "GET",
    headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
}

function command({ path, body }) {
  const lines = [`curl -sS '${location.origin}${path}'`, `-H 'Authorization: Bearer ${secretKey}'`];
  if (body) lines.push("-H 'Content-Type: application/json'", `-d '${JSON.stringify(body)}'`);
  return lines.join(" \\\n  ");
}

async function show() {
  const request = requests[api]();
  for (const tab of find("tabs").children) {
    tab.ariaSelected = tab.textContent === api ? "true" : "false";
    tab.tabIndex = tab.textContent === api ? 0 : -1;
  }
  find("panel").setAttribute("aria-label", api);
  find("request").textContent = command(request);
  const answer = await call(request.path, request.body);
  find("answer").textContent = JSON.stringify(await answer.json(), null, 2);
}

async function be(id) {
  const answer = await call(`/api/v1/shared/users/${encodeURIComponent(id)}`);
  if (!answer.ok) {
    find("name").textContent = `unknown: there is no user ${id}`;
    return;
  }
  const { firstName, lastName, username } = await answer.json();
  const name = [firstName, lastName].filter(Boolean).join(" ") || username || id;
  user = id;
  find("id").value = id;
  find("name").textContent = name;
  find("avatars").replaceChildren(...["size-6", "", "size-2"].map((size) => {
    const avatar = document.createElement("profile-avatar");
    avatar.className = size;
    avatar.setAttribute("user", id);
    avatar.setAttribute("alt", name);
    return avatar;
  }));
  find("html").textContent = [
    `<script type="module" src="${location.origin}/elements/vignette.js"></scr` + "ipt>",
    `<profile-picture api="${location.origin}"></profile-picture>`,
    `<profile-avatar api="${location.origin}" user="${id}" alt="${name}"></profile-avatar>`,
    "<script>",
    '  document.querySelector("profile-picture").token = () => yourTokenOfThisUser();',
    "</scr" + "ipt>",
  ].join("\n");
  picture.token = async () => (await fetch(`/_page/token?user=${encodeURIComponent(id)}`)).text();
  await show();
}

for (const name of Object.keys(requests)) {
  const tab = document.createElement("button");
  Object.assign(tab, { type: "button", role: "tab", textContent: name });
  tab.setAttribute("aria-controls", "panel");
  tab.onclick = () => ((api = name), show());
  find("tabs").append(tab);
}
find("tabs").onkeydown = ({ key }) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (!step) return;
  const tabs = [...find("tabs").children];
  const next = tabs.at((tabs.indexOf(document.activeElement) + step) % tabs.length);
  next.focus();
  next.click();
};
find("be").onsubmit = (event) => {
  event.preventDefault();
  be(find("id").value.trim());
};
find("other").onclick = async () => {
  const [firstName, lastName] = people[Math.floor(Math.random() * people.length)];
  const email = `${crypto.randomUUID()}@example.com`;
  const answer = await call("/api/v1/shared/users", { firstName, lastName, email });
  await be((await answer.json()).id);
};
find("copy").onclick = () => navigator.clipboard.writeText(find("request").textContent);
picture.addEventListener("change", show);
await be(user);
// The elements begin once there is a token: none of them asks without one.
await import("/elements/vignette.js");
