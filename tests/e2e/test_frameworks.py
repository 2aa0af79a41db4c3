"""The page and the components for React, Vue and Svelte of docs/browser.md, as printed there."""

import json
import re
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from tests.e2e import npm
from tests.e2e.browser import button, choose, loaded, save
from tests.e2e.conftest import PHOTOS, ROOT
from tests.e2e.site import Site

PROJECT = Path(__file__).parent / "frameworks"
DOCUMENT = (ROOT / "docs/browser.md").read_text()
# What an application has besides the component: a token, and something to do with a change.
REACT = """
import { useState } from "react";
import { createRoot } from "react-dom/client";
import { Picture } from "./Picture.jsx";

const getToken = async () => globalThis.token;

function App() {
  const [changes, setChanges] = useState([]);
  const heard = ({ detail }) => setChanges((before) => [...before, detail.uploadId]);
  return (
    <>
      <Picture getToken={getToken} onChange={heard} />
      <output>{JSON.stringify(changes)}</output>
    </>
  );
}

createRoot(document.getElementById("app")).render(<App />);
"""
VUE = """
<script setup>
import { ref } from "vue";
import Picture from "./Picture.vue";

const getToken = async () => globalThis.token;
const changes = ref([]);
</script>

<template>
  <Picture :get-token="getToken" @change="({ uploadId }) => changes.push(uploadId)" />
  <output>{{ JSON.stringify(changes) }}</output>
</template>
"""
SVELTE = """
<script>
  import Picture from "./Picture.svelte";

  const getToken = async () => globalThis.token;
  let changes = $state([]);
</script>

<Picture {getToken} onchange={({ detail }) => changes.push(detail.uploadId)} />
<output>{JSON.stringify(changes)}</output>
"""
FRAMEWORKS = {
    "React": (
        "jsx",
        {"main.jsx": REACT},
        'import react from "@vitejs/plugin-react"; const plugin = react();',
    ),
    "Vue": (
        "vue",
        {
            "App.vue": VUE,
            "main.js": 'import { createApp } from "vue"; import App from "./App.vue";'
            'createApp(App).mount("#app");',
        },
        'import vue from "@vitejs/plugin-vue";'
        "const isCustomElement = (tag) => tag.startsWith('profile-');"
        "const plugin = vue({ template: { compilerOptions: { isCustomElement } } });",
    ),
    "Svelte": (
        "svelte",
        {
            "App.svelte": SVELTE,
            "main.js": 'import { mount } from "svelte"; import App from "./App.svelte";'
            'mount(App, { target: document.getElementById("app") });',
        },
        'import { svelte } from "@sveltejs/vite-plugin-svelte"; const plugin = svelte();',
    ),
}


@pytest.fixture(params=FRAMEWORKS)
def application(request: pytest.FixtureRequest, site: Site) -> str:
    """The address of an application that was built with a framework."""
    npm.install(PROJECT)
    language, files, plugin = FRAMEWORKS[request.param]
    [component] = re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)
    [main] = (name for name in files if name.startswith("main"))
    for name, text in {
        **files,
        f"Picture.{language}": component.replace("https://API", site.api),
        "vignette.js": (ROOT / "functions/elements/vignette.js").read_text(),
        "vite.config.js": f'{plugin} export default {{ base: "./", plugins: [plugin] }};',
        "package.json": '{"type": "module"}',
        "index.html": '<!doctype html><html lang="en"><title>An application</title>'
        f'<div id="app"></div><script type="module" src="./{main}"></script></html>',
    }.items():
        (site.folder / name).write_text(text)
    (site.folder / "node_modules").symlink_to(PROJECT / "node_modules")
    built = subprocess.run(
        ["node_modules/.bin/vite", "build"],
        cwd=site.folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return f"{site.origin}/dist/"


def test_a_component_sets_a_picture_and_hears_of_it(
    site: Site, page: Page, application: str
) -> None:
    page.add_init_script(f"globalThis.token = {json.dumps(site.token())}")
    page.goto(application)
    loaded(page.get_by_role("img", name="Ada Lovelace"))
    choose(page, (PHOTOS / "astronaut.jpg").read_bytes())
    save(page)
    [upload] = site.uploads()
    changes = page.locator("output")
    expect(changes).to_have_text(json.dumps([upload["id"]]))
    loaded(page.get_by_role("img", name="Ada Lovelace"))
    assert site.picture() is not None
    button(page, "Remove").click()
    expect(changes).to_have_text(json.dumps([upload["id"], None], separators=(",", ":")))
    assert site.picture() is None


@pytest.mark.parametrize("context", [{"bypass_csp": True}], indirect=True)  # its script is inline
def test_a_plain_page_sets_a_picture_and_shows_it(site: Site, page: Page) -> None:
    [html, *_] = re.findall(r"```html\n(.*?)```", DOCUMENT, re.DOTALL)
    html = html.replace("https://API", site.api).replace("USER_ID", site.user["id"])
    (site.folder / "index.html").write_text(html)
    page.add_init_script(f"getTokenOfYourIdentityProvider = async () => {json.dumps(site.token())}")
    page.goto(site.origin)
    choose(page, (PHOTOS / "astronaut.jpg").read_bytes())
    save(page)
    url = site.as_served()["avatar"]["url"]
    for element in ("profile-picture >> profile-avatar", "body > profile-avatar"):
        image = page.locator(f"{element} >> img")
        expect(image).to_have_attribute("src", url)
        loaded(image)
