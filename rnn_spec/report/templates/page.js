"use strict";
for (const filters of document.querySelectorAll(".filters")) {
  const rows = [...document.querySelectorAll("#" + filters.dataset.of + " [data-text]")];
  const fields = [...filters.querySelectorAll("[data-field]")], told = filters.querySelector("output");
  const apply = () => {
    let shown = 0;
    for (const row of rows) {
      row.hidden = !fields.every(({ dataset: { field }, value }) => {
        if (!value) return true;
        const held = row.dataset[field] || "";
        return field === "text" ? held.includes(value.toLowerCase()) : held.split("|").includes(value);
      });
      shown += !row.hidden;
    }
    told.textContent = shown + " of " + rows.length;
  };
  filters.hidden = false;
  filters.addEventListener("input", apply);
  filters.addEventListener("reset", () => setTimeout(apply));
  apply();
}
for (const block of document.querySelectorAll(".copied")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(block.querySelector("pre"));
      button.textContent = "Selected";
    }
  });
  block.append(button);
}
addEventListener("keydown", (e) => {
  const field = document.querySelector(".filters [type=search]");
  if (e.key !== "/" || !field || e.target.matches("input, select, textarea")) return;
  e.preventDefault();
  field.focus();
});
