/** Vignette's custom elements; see docs/browser.md. */

/** A square of a photo: its centre as fractions of width and height, its side of the shorter one. */
export interface Crop {
  x: number;
  y: number;
  size: number;
}

/** A user's picture, as the native API answers it. */
export interface Avatar {
  url: string;
  srcset: string;
  source: "custom" | "provider" | "default";
  /** A ThumbHash in base64. */
  placeholder: string | null;
}

/** The user in an answer of the native API; the document at /api/v1/openapi.json has all fields. */
export interface User {
  id: string;
  avatar: Avatar;
  hasCustomProfilePicture: boolean;
  [field: string]: unknown;
}

/** A picture was saved, or removed where `uploadId` is null. */
export interface ChangeDetail {
  uploadId: string | null;
  user: User;
}

/** Bytes that were sent; while the service prepares the photo, both numbers are 0. */
export interface ProgressDetail {
  phase: "upload" | "processing";
  loaded: number;
  total: number;
}

/** What went wrong: a `code` of the API, a reason of a failed upload, `network` or `timeout`. */
export interface ErrorDetail {
  code: string;
  /** The HTTP status, where there was an answer. */
  status?: number;
  message: string;
}

/** A user's token, or what gives a fresh one. */
export type Token = string | (() => string | Promise<string>);

/** Every text, by its name or by the code of an error; what is left out stays English. */
export type Strings = Partial<Record<string, string>>;

interface ProfilePictureEvents {
  change: CustomEvent<ChangeDetail>;
  progress: CustomEvent<ProgressDetail>;
  error: CustomEvent<ErrorDetail>;
}

/** `<profile-picture api="https://API" name="picture">` */
export class ProfilePicture extends HTMLElement {
  static readonly formAssociated: true;
  token: Token | null | undefined;
  strings: Strings;
  /** The id of the upload that is ready or saved. */
  readonly value: string | null;
  addEventListener<Type extends keyof ProfilePictureEvents>(
    type: Type,
    listener: (this: ProfilePicture, event: ProfilePictureEvents[Type]) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
}

/** `<profile-avatar api="https://API" user="ID" alt="NAME">`, or with `src` and `srcset`. */
export class ProfileAvatar extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    "profile-picture": ProfilePicture;
    "profile-avatar": ProfileAvatar;
  }
}
