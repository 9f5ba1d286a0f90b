/* Small repairs of the theme for people who use a keyboard or a screen reader. */
addEventListener("load", () => setTimeout(() => {
  // A name that differs from the visible text of a button.
  for (const button of document.querySelectorAll(".search-button-field")) {
    button.removeAttribute("aria-label");
  }
  // The title of the site stands outside of every landmark.
  for (const title of document.querySelectorAll(".sidebar-primary-item:has(> .navbar-brand)")) {
    title.setAttribute("role", "region");
    title.setAttribute("aria-label", "Site title");
  }
  // The icon repeats the name of its button.
  for (const icon of document.querySelectorAll("svg.theme-switch")) {
    icon.setAttribute("aria-hidden", "true");
    icon.removeAttribute("aria-labelledby");
    icon.querySelector("title")?.remove();
  }
  // What scrolls must be reachable by keyboard; what does not scroll must not be a stop.
  for (const box of document.querySelectorAll("div.math, .cell_output .text_html, .knotes-scroll, div.highlight pre, .cell_output pre")) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
  // Downloads are saved, not shown as a page of JSON.
  for (const link of document.querySelectorAll(".btn-download-source-button, .btn-download-text-button")) {
    link.setAttribute("download", "");
    link.removeAttribute("target");
  }
}, 0));

// The index of the API is long: a field above it keeps the entries that hold a word.
addEventListener("DOMContentLoaded", () => {
  const first = document.querySelector("dl.knotes-index");
  if (!first) return;
  const field = document.createElement("input");
  field.type = "search";
  field.className = "knotes-filter";
  field.placeholder = "Show entries with …";
  field.setAttribute("aria-label", "Show index entries with this text");
  first.closest("section").before(field);
  field.addEventListener("input", () => {
    const word = field.value.trim().toLowerCase();
    for (const section of document.querySelectorAll(".bd-article section section")) {
      let any = false;
      for (const name of section.querySelectorAll(".knotes-index dt")) {
        const text = name.nextElementSibling;
        const shown = (name.textContent + text.textContent).toLowerCase().includes(word);
        name.hidden = text.hidden = !shown;
        any ||= shown;
      }
      section.hidden = !any;
    }
  });
});
