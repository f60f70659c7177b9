"use strict";
for (const figure of document.querySelectorAll("figure")) {
  const chart = figure.querySelector(".chart");
  const spec = JSON.parse(figure.querySelector("script").textContent);
  // ast: expressions are interpreted, so that the page needs no eval
  vegaEmbed(chart, spec, { renderer: "svg", actions: false, ast: true, defaultStyle: false })
    .then(() => chart.classList.add("drawn"))
    .catch((error) => { chart.textContent = chart.getAttribute("aria-label"); console.error(error); });
}
const block = document.getElementById("runs");
if (block) {
  const button = document.querySelector(".raw button");
  button.hidden = false;
  button.addEventListener("click", () => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([block.textContent], { type: "application/json" }));
    link.download = "runs.json";
    link.click();
    URL.revokeObjectURL(link.href);
  });
}
const reveal = () => {
  const found = location.hash ? document.getElementById(location.hash.slice(1)) : null;
  if (found && found.tagName === "DETAILS") { found.open = true; found.scrollIntoView(); }
};
addEventListener("hashchange", reveal);
reveal();
