const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/* A name in which characters that are not seen, or that turn others around, stand as their codes; so do blanks alone. */
export const visible = (text) => String(text).replace(/\S/.test(text) ? UNSEEN : /\s/g, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);

/* An element; children are elements, texts or null. A key with a dash, `role` and `list` are attributes, any other is a property.
 * What a server or a file says becomes text, never markup; names, which are bdi elements, are made `visible`. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (key.includes("-") || key === "role" || key === "list") element.setAttribute(key, String(value));
    else element[key] = tag === "bdi" && key === "textContent" ? visible(value) : value;
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}
