// The OpenAPI document in a readable form; its requests carry the key of this machine's stack.
const { secretKey } = await (await fetch("/_page/facts.json")).json();
const ui = SwaggerUIBundle({
  url: "/api/v1/openapi.json",
  dom_id: "#document",
  onComplete() {
    ui.preauthorizeApiKey("secretKey", secretKey);
  },
});
