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
