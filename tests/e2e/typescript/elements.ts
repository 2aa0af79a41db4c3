// A page that uses the custom elements, as far as types go.

import type { components } from "./api.js";
import type { Avatar, ErrorDetail, ProfilePicture, User } from "./vignette.js";

/** Sets an element up, and says what comes of it. */
export function use(say: (text: string) => void): HTMLElement {
  const picture = document.createElement("profile-picture");
  picture.token = async () => "a token";
  picture.strings = { choose: "Choisir" };
  picture.addEventListener("change", ({ detail }) => {
    say(detail.uploadId === null ? "removed" : detail.user.avatar.url);
  });
  picture.addEventListener("progress", ({ detail: { phase, loaded, total } }) => {
    say(phase === "upload" ? `${loaded / total}` : phase);
  });
  picture.addEventListener("error", function (this: ProfilePicture, { detail }) {
    const { code, status, message }: ErrorDetail = detail;
    say(`${code} ${status ?? "without an answer"} ${message} ${this.value ?? ""}`);
  });
  picture.addEventListener("click", (event) => event.preventDefault());
  // @ts-expect-error: the value is read only
  picture.value = "";
  return picture;
}

/** The user that an element hands out is one that the API answers. */
export const handedOut = (user: components["schemas"]["User"]): User => user;

/** So is the picture, and the other way round. */
export const shown = (avatar: Avatar): components["schemas"]["Avatar"] => avatar;
