// <profile-picture> sets a user's picture, <profile-avatar> shows it: see docs/browser.md. MIT.

const SIZES = [64, 128, 256, 512]; // pixels
const SHOWN_BY_BROWSERS = /^image\/(avif|gif|jpeg|png|webp)$/;
const MARGIN = 0.07; // around the circle, of the frame's side
const SMALLEST = 256; // pixels of the photo across the circle
const WORKING_SIDE = 2048; // pixels: a larger photo is shown smaller
const PATIENCE = 90_000; // milliseconds

const ENGLISH = {
  choose: "Choose photo",
  take: "Take photo",
  save: "Save",
  cancel: "Cancel",
  remove: "Remove",
  retry: "Try again",
  reset: "Reset",
  zoom: "Zoom",
  picture: "Your profile picture",
  photo: "Your photo. Move it with the arrow keys, zoom with plus and minus.",
  drop: "or drop or paste one here",
  progress: "Progress",
  uploading: "Uploading, {percent} %",
  processing: "Preparing…",
  saving: "Saving…",
  removing: "Removing…",
  saved: "Your picture is saved.",
  removed: "Your picture is removed.",
  framed: "Drag the photo to move it, scroll or pinch to zoom, double-click to centre.",
  unsaved: "Save or cancel your photo first.",
  // by the code of an error
  network: "The connection was lost. Check it, then try again.",
  timeout: "This takes longer than usual. Try again in a moment.",
  throttled: "Too many requests. Try again in a moment.",
  unavailable: "The service is busy. Try again in a moment.",
  unauthenticated: "You are signed out. Sign in, then try again.",
  forbidden: "You may not change this picture. Ask whoever runs this site.",
  user_not_active: "Your account is locked. Ask whoever runs this site.",
  user_not_found: "Your account was not found. Sign in, then try again.",
  upload_not_found: "Your photo has expired. Try again.",
  upload_in_use: "This is your picture already. Choose another photo.",
  too_many_uploads: "Too many photos. Try again in an hour.",
  too_large: "This photo is too large. Choose one of at most 10 MB.",
  too_many_pixels: "This photo has too many pixels. Choose a smaller one.",
  unsupported_format: "This is not a photo. Choose a JPEG, PNG, WebP, AVIF, HEIC or GIF file.",
  corrupt_image: "This photo is damaged. Choose another one.",
  empty: "This file is empty. Choose another one.",
  processing_failed: "Something went wrong. Try again, or choose another one.",
  unknown: "Something went wrong. Try again.",
};
// Trying again would not help.
const FINAL = /^(too_|unsup|corr|empty|forb|user_not_a|upload_in)/;

class Failure extends Error {
  constructor(code, status, message = code) {
    super(message);
    Object.assign(this, { code, status });
  }
}

function lost(error) {
  throw error instanceof Failure ? error : new Failure("network", 0, error);
}

const Base = globalThis.HTMLElement ?? class {};
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

function make(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

// Constructed style sheets need no nonce.
function shadow(host, css, ...children) {
  const root = host.attachShadow({ mode: "open" });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  root.adoptedStyleSheets = [sheet];
  root.append(...children);
}

async function wait(milliseconds, signal) {
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  signal.throwIfAborted();
}

const connected = new Set(); // hear of changes in others

// Draws a ThumbHash (evanw.github.io/thumbhash), opaque.
function drawThumbHash(canvas, base64) {
  const bytes = Uint8Array.from(atob(base64), (each) => each.charCodeAt(0));
  let at = 0; // bits
  const take = (count) => {
    let value = 0;
    for (let bit = 0; bit < count; bit++, at++) value |= ((bytes[at >> 3] >> (at & 7)) & 1) << bit;
    return value;
  };
  const means = [take(6) / 63, take(6) / 31.5 - 1, take(6) / 31.5 - 1];
  const scales = [take(5) / 31];
  const alpha = take(1);
  const sides = [Math.max(3, take(3)), alpha ? 5 : 7];
  scales.push((take(6) / 63) * 1.25, (take(6) / 63) * 1.25);
  if (take(1)) sides.reverse();
  take(alpha * 8);
  const waves = means.map((mean, channel) => {
    const [across, down] = channel ? [3, 3] : sides;
    const found = [[0, 0, mean]];
    for (let v = 0; v < down; v++) {
      for (let u = v ? 0 : 1; u * down < across * (down - v); u++) {
        found.push([u, v, (take(4) / 7.5 - 1) * scales[channel] * 2]);
      }
    }
    return found;
  });
  const image = new ImageData(32, 32);
  for (let pixel = 0; pixel < 1024; pixel++) {
    const [x, y] = [pixel % 32, pixel >> 5];
    const cosine = (times, place) => Math.cos((Math.PI * times * (place + 0.5)) / 32);
    const [l, p, q] = waves.map((found) =>
      found.reduce((sum, [u, v, size]) => sum + size * cosine(u, x) * cosine(v, y), 0),
    );
    const b = l - (2 / 3) * p;
    const r = (3 * l - b + q) / 2;
    image.data.set([r * 255, (r - q) * 255, b * 255, 255], pixel * 4);
  }
  canvas.width = canvas.height = 32;
  canvas.getContext("2d").putImageData(image, 0, 0);
}

export class ProfileAvatar extends Base {
  static observedAttributes = ["api", "user", "src", "srcset", "alt", "placeholder"];
  #image = make("img", { part: "image", loading: "lazy", decoding: "async" });
  #letters = make("span", { part: "initials", role: "img", hidden: true });
  #blur = make("canvas", { ariaHidden: "true", hidden: true });
  #observer = new ResizeObserver(() => this.#render());
  #news;
  #shown;

  constructor() {
    super();
    shadow(
      this,
      `:host{display:inline-block;inline-size:var(--vignette-avatar-size,3rem);aspect-ratio:1;
         border-radius:var(--vignette-avatar-radius,50%);overflow:clip;position:relative;
         vertical-align:middle;container-type:inline-size;
         background:color-mix(in srgb,currentColor 12%,transparent)}
       :host([hidden]),[hidden]{display:none!important}
       img,canvas,span{position:absolute;inset:0;inline-size:100%;block-size:100%;object-fit:cover}
       span{display:grid;place-items:center;background:#374151;color:#fff;
         font:500 42cqi/1 system-ui;text-transform:uppercase}`,
      this.#blur,
      this.#image,
      this.#letters,
    );
    this.#image.onload = () => (this.#blur.hidden = true);
    this.#image.onerror = () => this.#fallBack();
  }

  connectedCallback() {
    connected.add(this);
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    connected.delete(this);
    this.#observer.disconnect();
  }

  attributeChangedCallback(name) {
    if (name !== "alt") this.#news = null;
    this.#render();
  }

  pictureChanged({ id, avatar }) {
    if (id === this.getAttribute("user")) this.show(avatar);
  }

  show(avatar) {
    this.#news = avatar;
    this.#render();
  }

  #render() {
    if (!this.isConnected || !this.clientWidth) return;
    const image = this.#image;
    const user = this.getAttribute("user");
    const base = `${this.getAttribute("api") ?? ""}/pictures/${encodeURIComponent(user)}`;
    const { url, srcset, placeholder } =
      this.#news ??
      (this.hasAttribute("src") || !user
        ? { url: this.getAttribute("src"), srcset: this.getAttribute("srcset") }
        : { url: base, srcset: SIZES.map((size) => `${base}?width=${size} ${size}w`).join() });
    image.alt = this.getAttribute("alt") ?? "";
    image.sizes = `${Math.ceil(this.clientWidth)}px`;
    const wanted = `${url} ${srcset}`;
    if (wanted !== this.#shown) {
      this.#shown = wanted;
      image.hidden = false;
      this.#letters.hidden = true;
      this.#showPlaceholder(placeholder ?? this.getAttribute("placeholder"));
      image.srcset = srcset ?? "";
      url ? (image.src = url) : this.#fallBack();
    }
    if (!this.#letters.hidden) this.#fallBack();
  }

  #showPlaceholder(hash) {
    this.#blur.hidden = !hash;
    try {
      if (hash) drawThumbHash(this.#blur, hash);
    } catch {
      this.#blur.hidden = true;
    }
  }

  #fallBack() {
    const alt = this.getAttribute("alt") ?? "";
    const firsts = alt.match(/(?<!\S)\p{L}/gu) ?? [];
    this.#letters.textContent = (firsts.shift() ?? "") + (firsts.pop() ?? "");
    this.#letters.ariaLabel = alt;
    this.#letters.ariaHidden = alt ? null : "true";
    this.#letters.hidden = false;
    this.#image.hidden = this.#blur.hidden = true;
  }
}

export class ProfilePicture extends Base {
  static formAssociated = true;
  static observedAttributes = ["api"];

  #internals = this.attachInternals();
  #strings = ENGLISH;
  #token;
  #tokenPromise;
  #user;
  #value = null;
  #photo;
  #failure;
  #busy = "";
  #job = new AbortController();
  #pointers = new Map();
  #frame = 0;
  #observer = new ResizeObserver(() => this.#draw());

  #avatar = make("profile-avatar", { part: "picture" });
  #canvas = make("canvas", { part: "photo", tabIndex: 0, role: "application" });
  #input = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif", hidden: true });
  #camera = make("input", { type: "file", accept: "image/*,.heic,.heif,.avif", hidden: true });
  #drop = make("p", { part: "hint", className: "drop" });
  #message = make("p", { part: "status", role: "status" });
  #bar = make("progress", { part: "progress", max: 1 });
  #zoom = make("input", { part: "zoom", type: "range", max: 1, step: "any" });
  #zoomName = make("span");
  #slider = make("label", null, this.#zoomName, this.#zoom);
  #alert = make("p", { part: "error", role: "alert" });
  #buttons = Object.fromEntries(
    ["save", "retry", "choose", "take", "reset", "remove", "cancel"].map((name) => [
      name,
      make("button", { type: "button", part: `button ${name}` }),
    ]),
  );

  constructor() {
    super();
    this.#avatar.setAttribute("exportparts", "image, initials");
    this.#camera.setAttribute("capture", "user");
    const frame = make("div", { part: "frame", className: "frame" }, this.#avatar, this.#canvas);
    shadow(
      this,
      `:host{display:block;inline-size:var(--vignette-size,18rem);max-inline-size:100%;
         line-height:1.4;--accent:var(--vignette-accent,#2563eb)}
       :host([hidden]),[hidden]{display:none!important}
       :host(:disabled){opacity:.5}
       div,label{display:flex;gap:.5rem;align-items:center;justify-content:center}
       .all{flex-direction:column;gap:.75rem;text-align:center}
       .frame{inline-size:100%;aspect-ratio:1;border-radius:var(--vignette-radius,1rem);
         border:2px solid #0000;box-sizing:border-box}
       .over{border:2px dashed var(--accent)}
       profile-avatar{--vignette-avatar-size:${100 - 200 * MARGIN}%;cursor:pointer}
       canvas{inline-size:100%;block-size:100%;border-radius:inherit;touch-action:none;cursor:grab}
       canvas:active{cursor:grabbing}
       p{margin:0;overflow-wrap:anywhere}
       p:empty{position:absolute;clip-path:inset(50%)}
       [part=hint]{font-size:.875em;opacity:.8}
       [role=alert]{border-inline-start:4px solid #dc2626;padding:.5rem .75rem;text-align:start;
         background:color-mix(in srgb,#dc2626 12%,Canvas);color:CanvasText;border-radius:.25rem}
       .buttons{flex-wrap:wrap}
       button{font:inherit;color:inherit;min-block-size:2.75rem;padding:.25rem 1rem;cursor:pointer;
         background:#0000;border:1px solid color-mix(in srgb,currentColor 55%,transparent);
         border-radius:var(--vignette-button-radius,.625rem)}
       button.first{background:var(--accent);color:var(--vignette-accent-text,#fff);
         border-color:var(--accent)}
       button:disabled{opacity:.5;cursor:default}
       :focus-visible{outline:3px solid var(--accent);outline-offset:2px}
       label,progress{inline-size:100%}
       progress,input{accent-color:var(--accent)}
       input{flex:1;min-inline-size:0;block-size:1.5rem;margin:0}
       .take{display:none}
       @media (pointer:coarse){.take{display:revert}.drop{display:none}}
       @media (forced-colors:active){canvas{border:1px solid}button:disabled{opacity:1}}`,
      make(
        "div",
        { className: "all" },
        frame,
        this.#slider,
        this.#bar,
        this.#message,
        this.#alert,
        make("div", { className: "buttons" }, ...Object.values(this.#buttons)),
        this.#drop,
        this.#input,
        this.#camera,
      ),
    );
    this.#listenToButtons();
    this.#listenToFiles(frame);
    this.#listenToMoves();
  }

  get token() {
    return this.#token;
  }

  set token(token) {
    this.#token = token;
    this.#tokenPromise = null;
    const failure = this.#failure;
    failure?.code === "unauthenticated" ? failure.again() : this.#load();
  }

  get strings() {
    return this.#strings;
  }

  set strings(strings) {
    this.#strings = { ...ENGLISH, ...strings };
    this.#show();
  }

  get value() {
    return this.#value;
  }

  connectedCallback() {
    connected.add(this);
    document.addEventListener("paste", this.#paste);
    this.#observer.observe(this.#canvas);
    const { token, strings } = this; // as set before this module was there
    delete this.token;
    delete this.strings;
    Object.assign(this, { token, strings });
  }

  disconnectedCallback() {
    connected.delete(this);
    document.removeEventListener("paste", this.#paste);
    this.#observer.disconnect();
    this.#close();
  }

  attributeChangedCallback() {
    this.#load();
  }

  formDisabledCallback(disabled) {
    this.shadowRoot.firstElementChild.inert = disabled;
  }

  formResetCallback() {
    this.#cancel();
  }

  pictureChanged(user) {
    if (user.id !== this.#user?.id) return;
    this.#user = user;
    this.#show();
  }

  #listenToButtons() {
    const actions = {
      choose: () => this.#input.click(),
      take: () => this.#camera.click(),
      save: () => this.#attempt("saving", (signal) => this.#save(signal)),
      cancel: () => this.#cancel(),
      reset: () => this.#moveTo(this.#suggestion()),
      retry: () => this.#failure?.again(),
      remove: () => this.#attempt("removing", (signal) => this.#set(null, signal)),
    };
    for (const [name, action] of Object.entries(actions)) this.#buttons[name].onclick = action;
    this.#avatar.onclick = actions.choose;
    for (const input of [this.#input, this.#camera]) {
      input.onchange = () => {
        this.#choose(input.files);
        input.value = ""; // the same file can be chosen again
      };
    }
    this.#zoom.oninput = (event) => {
      event.stopPropagation();
      this.#zoomBy(this.#least() ** this.#zoom.value / this.#photo.crop.size, 0, 0);
    };
  }

  #listenToFiles(frame) {
    for (const type of ["dragover", "dragleave", "drop"]) {
      this.addEventListener(type, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        frame.classList.toggle("over", type === "dragover");
        if (type === "drop") this.#choose(event.dataTransfer.files);
      });
    }
  }

  #paste = (event) => {
    const files = event.clipboardData?.files;
    const typing = event.composedPath()[0].closest?.("input,textarea,[contenteditable]");
    if (!files?.length || typing || event.defaultPrevented) return;
    event.preventDefault();
    this.#choose(files);
  };

  #listenToMoves() {
    const canvas = this.#canvas;
    const points = this.#pointers;
    const centred = ({ offsetX, offsetY }) => [
      offsetX - canvas.clientWidth / 2,
      offsetY - canvas.clientHeight / 2,
    ];
    const touch = () => {
      const [a, b = a] = points.values();
      return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2, Math.hypot(a[0] - b[0], a[1] - b[1]) || 1];
    };
    canvas.onpointerdown = (event) => {
      canvas.setPointerCapture(event.pointerId);
      points.set(event.pointerId, centred(event));
    };
    canvas.onpointermove = (event) => {
      if (!points.has(event.pointerId)) return;
      const [fromX, fromY, far] = touch();
      points.set(event.pointerId, centred(event));
      const [x, y, near] = touch();
      this.#pan(x - fromX, y - fromY);
      this.#zoomBy(far / near, x, y);
    };
    canvas.onpointerup = canvas.onpointercancel = ({ pointerId }) => points.delete(pointerId);
    canvas.ondblclick = (event) => {
      const [x, y] = centred(event);
      this.#pan(-x, -y);
    };
    canvas.onwheel = (event) => {
      event.preventDefault();
      const speed = event.ctrlKey ? 0.01 : event.deltaMode ? 0.05 : 0.0015; // in lines, pixels
      this.#zoomBy(Math.exp(event.deltaY * speed), ...centred(event));
    };
    canvas.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.#photo?.image) return;
      const step = canvas.clientWidth * (event.shiftKey ? 0.1 : 0.02);
      const { [event.key]: move } = {
        ArrowLeft: [-step, 0],
        ArrowRight: [step, 0],
        ArrowUp: [0, -step],
        ArrowDown: [0, step],
      };
      const zoom = { "+": 0.9, "=": 0.9, "-": 1.1 }[event.key];
      if (move) this.#pan(...move);
      else if (zoom) this.#zoomBy(zoom, 0, 0);
      else return;
      event.preventDefault();
    };
  }

  #short() {
    return Math.min(this.#photo.width, this.#photo.height);
  }

  #least() {
    return clamp(SMALLEST / this.#short(), 0.1, 1);
  }

  // Pixels of the screen for one of the photo.
  #scale() {
    return (this.#canvas.clientWidth * (1 - 2 * MARGIN)) / (this.#photo.crop.size * this.#short());
  }

  #pan(x, y) {
    if (!this.#photo?.image) return;
    const { crop, width, height } = this.#photo;
    const scale = this.#scale();
    this.#frameAs({ ...crop, x: crop.x - x / scale / width, y: crop.y - y / scale / height });
  }

  // Around a point, in pixels from the centre.
  #zoomBy(factor, x, y) {
    const { crop, image, width, height } = this.#photo;
    const size = clamp(crop.size * factor, this.#least(), 1);
    if (!image || size === crop.size) return;
    const moved = (1 - size / crop.size) / this.#scale();
    this.#frameAs({ size, x: crop.x + (x * moved) / width, y: crop.y + (y * moved) / height });
  }

  #frameAs(crop, moved = true) {
    const photo = this.#photo;
    if (this.#busy === "saving") return;
    const half = (crop.size * this.#short()) / 2;
    const [x, y] = [half / photo.width, half / photo.height];
    photo.crop = { x: clamp(crop.x, x, 1 - x), y: clamp(crop.y, y, 1 - y), size: crop.size };
    photo.moved = moved;
    this.#show();
  }

  #suggestion() {
    return this.#photo?.upload?.crop ?? { x: 0.5, y: 0.5, size: 1 };
  }

  #moveTo(crop) {
    const photo = this.#photo;
    const from = photo.crop;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    let left = still ? 0 : 1;
    photo.moved = false;
    const step = () => {
      if (photo !== this.#photo || photo.moved) return;
      left = left < 0.01 ? 0 : left * 0.8;
      const between = (key) => crop[key] + (from[key] - crop[key]) * left;
      this.#frameAs({ x: between("x"), y: between("y"), size: between("size") }, false);
      if (left) requestAnimationFrame(step);
    };
    step();
  }

  #draw() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => {
      const photo = this.#photo;
      const side = Math.round(this.#canvas.clientWidth * devicePixelRatio);
      if (!photo || !side) return;
      if (this.#canvas.width !== side) this.#canvas.width = this.#canvas.height = side;
      const context = this.#canvas.getContext("2d");
      context.imageSmoothingQuality = "medium";
      context.fillStyle = "#111827";
      context.fillRect(0, 0, side, side);
      if (photo.image) {
        const scale = this.#scale() * devicePixelRatio;
        const [width, height] = [photo.width * scale, photo.height * scale];
        const [left, top] = [side / 2 - photo.crop.x * width, side / 2 - photo.crop.y * height];
        context.drawImage(photo.image, left, top, width, height);
      }
      const circle = new Path2D();
      circle.arc(side / 2, side / 2, side * (0.5 - MARGIN), 0, 7);
      context.strokeStyle = "#fff";
      context.lineWidth = 4 * devicePixelRatio;
      context.stroke(circle);
      circle.rect(0, 0, side, side);
      context.fillStyle = "#111827a6";
      context.fill(circle, "evenodd");
    });
  }

  #choose(files) {
    const file = [...files].find((each) => each.type.startsWith("image/")) ?? files[0];
    if (!file || this.matches(":disabled")) return;
    this.#close();
    if (file.type && !file.type.startsWith("image/")) {
      return this.#fail(new Failure("unsupported_format"));
    }
    const photo = { file, crop: this.#suggestion(), width: 1, height: 1 };
    this.#photo = photo;
    photo.decoded = this.#see(photo, file).catch(() => {});
    this.#attempt("uploading", (signal) => this.#send(photo, signal));
  }

  async #see(photo, blob) {
    const whole = await createImageBitmap(blob);
    const { width, height } = whole;
    const scale = Math.min(1, WORKING_SIDE / Math.max(width, height));
    const [across, down] = [width, height].map((each) => Math.ceil(each * scale));
    // createImageBitmap blocks the page if it resizes.
    const image = make("canvas", { width: across, height: down });
    image.getContext("2d").drawImage(whole, 0, 0, across, down);
    whole.close();
    if (photo !== this.#photo) return;
    Object.assign(photo, { image, width, height });
    this.#show();
  }

  async #send(photo, signal) {
    const { file } = photo;
    const type = file.type || "application/octet-stream";
    if (!photo.sent) {
      const wanted = { kind: "profile_picture", contentType: type, contentLength: file.size };
      if (!file.size) throw new Failure("empty");
      if (photo.unknown || !SHOWN_BY_BROWSERS.test(type)) wanted.preview = true;
      const post = async () => {
        const form = await this.#call("POST", "uploads", wanted, signal);
        photo.id = form.uploadId;
        await this.#post(form, file, signal);
      };
      // S3 answers 403 once the form has expired.
      await post().catch((failure) => (failure.status === 403 ? post() : lost(failure)));
      photo.sent = true;
    }
    this.#work("processing");
    this.#emit("progress", { phase: "processing", loaded: 0, total: 0 });
    const upload = await this.#poll(photo.id, signal);
    if (upload.state === "failed") {
      photo.sent = false;
      throw new Failure(upload.reason ?? "processing_failed");
    }
    await photo.decoded;
    if (!photo.image) {
      if (!upload.preview) {
        photo.sent = false;
        photo.unknown = true;
        return this.#send(photo, signal);
      }
      const preview = await fetch(upload.preview, { signal }).catch(lost);
      await this.#see(photo, await preview.blob());
      Object.assign(photo, { width: upload.width, height: upload.height });
    }
    photo.upload = upload;
    this.#keep(upload.id);
    this.#work("", "framed");
    if (!photo.moved) this.#moveTo(this.#suggestion());
  }

  #post({ url, fields }, file, signal) {
    return new Promise((resolve, reject) => {
      const body = new FormData();
      for (const [name, value] of Object.entries(fields)) body.append(name, value);
      body.append("file", file);
      const request = new XMLHttpRequest(); // fetch tells no progress
      signal.addEventListener("abort", () => (request.abort(), reject(signal.reason)));
      request.upload.onprogress = ({ loaded, total }) => this.#progress(loaded, total);
      request.onerror = () => reject(new Failure("network"));
      request.onload = () => {
        if (request.status < 300) return resolve();
        const large = request.responseText.includes("EntityTooLarge");
        reject(new Failure(large ? "too_large" : "unknown", request.status, request.responseText));
      };
      request.open("POST", url);
      request.send(body);
    });
  }

  async #poll(id, signal) {
    const end = performance.now() + PATIENCE;
    for (let pause = 100; performance.now() < end; pause = Math.min(pause * 1.4, 2000)) {
      await wait(pause, signal);
      const upload = await this.#call("GET", `uploads/${id}`, null, signal);
      if (upload.state !== "pending") return upload;
    }
    throw new Failure("timeout");
  }

  async #save(signal) {
    const photo = this.#photo;
    if (photo.moved) {
      const { crop } = photo;
      photo.upload = await this.#call("PATCH", `uploads/${photo.id}`, { crop }, signal);
      photo.moved = false;
    }
    await this.#set(photo.id, signal);
  }

  async #set(uploadId, signal) {
    const user = await this.#call("PATCH", "users/me/profile-picture", { uploadId }, signal);
    this.#photo = null;
    this.#user = user;
    this.#keep(uploadId);
    this.#work("", uploadId ? "saved" : "removed");
    for (const element of connected) element.pictureChanged(user);
    this.#emit("change", { uploadId, user });
  }

  #cancel() {
    if (!this.#photo && !this.#failure) return;
    this.#close();
    this.#keep(null);
    this.#work("");
    this.#load(); // saving may have been too quick
  }

  #close() {
    this.#job.abort();
    const id = this.#photo?.id;
    this.#photo = this.#failure = null;
    this.#busy = "";
    this.#job = new AbortController();
    const { signal } = new AbortController();
    if (id) this.#call("DELETE", `uploads/${id}`, null, signal).catch(() => {});
  }

  #keep(uploadId) {
    this.#value = uploadId;
    this.#internals.setFormValue(uploadId);
  }

  async #attempt(busy, step) {
    this.#job.abort();
    const { signal } = (this.#job = new AbortController());
    this.#failure = null;
    this.#work(busy);
    try {
      await step(signal);
    } catch (error) {
      if (signal.aborted) return;
      this.#fail(error, () => this.#attempt(busy, step));
    }
  }

  #fail(error, again) {
    const { code, status, message } = error;
    const file = this.#photo?.file;
    if (file && code === "upload_not_found") again = () => this.#choose([file]);
    this.#failure = { code, again: FINAL.test(code) ? null : again };
    this.#work("");
    this.#emit("error", { code, status, message });
  }

  async #load() {
    const api = this.getAttribute("api") ?? "";
    const own = new URL(api || ".", document.baseURI).origin === location.origin;
    const token = this.#token;
    if (!connected.has(this) || (!token && !own)) return;
    const { signal } = this.#job;
    try {
      const user = await this.#call("GET", "users/me", null, signal);
      if (token === this.#token) this.#user = user;
      this.#show();
    } catch (error) {
      // A page gives its token later.
      const quiet = signal.aborted || token !== this.#token || (!token && error.status === 401);
      if (!quiet && !this.#photo) this.#fail(error, () => this.#attempt("", () => this.#load()));
    }
  }

  async #call(method, path, body, signal) {
    for (let tries = 3, renewed; ; ) {
      const renews = typeof this.#token === "function";
      const promise = (this.#tokenPromise ??= (async () => renews ? this.#token() : this.#token)());
      const forget = () => {
        if (this.#tokenPromise === promise) this.#tokenPromise = null;
      };
      const headers = {};
      const token = await promise.catch((error) => {
        forget();
        throw new Failure("unauthenticated", 0, error);
      });
      if (token) headers.authorization = `Bearer ${token}`;
      if (body) headers["content-type"] = "application/json";
      const address = `${this.getAttribute("api") ?? ""}/api/v1/${path}`;
      const options = { method, headers, signal, body: body && JSON.stringify(body) };
      const answer = await fetch(address, options).catch(lost);
      if (answer.ok) return answer.status === 204 ? null : answer.json();
      const problem = await answer.json().catch(() => ({}));
      const pause = answer.headers.get("retry-after") ?? 1; // seconds
      if (answer.status === 401 && renews && !renewed) {
        renewed = true;
        forget();
      } else if ([429, 503].includes(answer.status) && pause < 10 && --tries) {
        await wait(pause * 1000, signal);
      } else {
        const codes = { 401: "unauthenticated", 413: "too_large", 429: "throttled" };
        const code = problem.code ?? codes[answer.status] ?? "unknown";
        throw new Failure(code, answer.status, problem.detail);
      }
    }
  }

  #progress(loaded, total) {
    this.#bar.value = loaded / total;
    const percent = Math.floor((loaded / total) * 4) * 25; // heard four times
    this.#say(this.#strings.uploading.replace("{percent}", percent));
    this.#emit("progress", { phase: "upload", loaded, total });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { bubbles: type === "change", detail }));
  }

  #work(busy, status = busy) {
    this.#busy = busy;
    this.#bar.removeAttribute("value");
    this.#say(status && this.#strings[status].replace("{percent}", 0));
    this.#show();
  }

  #say(text, where = this.#message) {
    if (where.textContent !== text) where.textContent = text;
  }

  #show() {
    if (!this.isConnected) return;
    const strings = this.#strings;
    const photo = this.#photo;
    const failure = this.#failure;
    const user = this.#user;
    const focused = this.shadowRoot.activeElement;
    for (const [name, button] of Object.entries(this.#buttons)) {
      button.textContent = strings[name];
      button.className = name;
    }
    const shown = {
      save: photo && !failure,
      retry: failure?.again,
      choose: !photo || failure,
      take: !photo || failure,
      reset: photo?.moved && !failure,
      remove: user?.hasCustomProfilePicture && !photo && !failure,
      cancel: photo,
    };
    for (const name in shown) this.#buttons[name].hidden = !shown[name];
    for (const name of ["choose", "take", "remove"]) this.#buttons[name].disabled = this.#busy;
    this.#buttons.save.disabled = this.#busy || !photo?.upload;
    this.#zoom.disabled = this.#busy === "saving";
    const first = Object.values(this.#buttons).find((each) => !each.hidden);
    first.classList.add("first");

    this.#avatar.hidden = !!photo;
    if (user) {
      const name = [user.firstName, user.lastName].filter(Boolean).join(" ");
      this.#avatar.setAttribute("alt", name || strings.picture);
      this.#avatar.show(user.avatar);
    }
    this.#canvas.hidden = !photo;
    this.#canvas.ariaLabel = strings.photo;
    this.#slider.hidden = !photo?.image || !!failure;
    this.#drop.textContent = photo ? "" : strings.drop;
    this.#bar.hidden = !this.#busy;
    this.#bar.ariaLabel = strings.progress;
    this.#zoomName.textContent = strings.zoom;
    this.#say(failure ? (strings[failure.code] ?? strings.unknown) : "", this.#alert);
    if (photo) {
      this.#zoom.value = Math.log(photo.crop.size) / Math.log(this.#least()) || 0;
      this.#zoom.ariaValueText = `${Math.round(100 / photo.crop.size)} %`;
      this.#draw();
    }
    const unsaved = photo ? { customError: true } : {};
    this.#internals.setValidity(unsaved, strings.unsaved, photo ? this.#canvas : undefined);
    // The focus stays where the keyboard can go on.
    if (focused && (focused.hidden || focused.disabled)) (photo ? this.#canvas : first).focus();
  }
}

if (globalThis.customElements && !customElements.get("profile-avatar")) {
  customElements.define("profile-avatar", ProfileAvatar);
  customElements.define("profile-picture", ProfilePicture);
}
