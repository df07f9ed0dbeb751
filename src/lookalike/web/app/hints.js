/* What a person at the page does about an error of the server: its own hints speak to programs, too. */

const UPDATE = "See what the collection holds now: open Search, and go on from there.";
const HINTS = {
  no_such_item: `It may have been removed meanwhile. ${UPDATE}`,
  not_found: UPDATE,
  wrong_token: "Type it in again; it stands behind #token= in the address that lookalike serve printed.",
  no_token: "Type the server's token in, or open the address that lookalike serve printed.",
  read_only: "To change something from here, start the server with --writable.",
  unknown_host: "Open the address that lookalike serve printed.",
  foreign_page: "Open the address that lookalike serve printed.",
  not_a_picture: "Choose a picture: JPEG, PNG, WebP, TIFF and the like.",
  too_slow: "Choose a smaller picture, or try again where the connection is better.",
  too_large: "Choose a smaller picture, or fewer of them.",
  busy: "Wait a few seconds, then try again.",
  disk_full: "Have some space freed on the server's disk, then try again.",
  not_stored: "Have the server's disk and its rights to the index's folder checked, then try again.",
  equal_bytes: "Keep both of them, or one.",
  fault: "Try again. If it stays, please report it with the last lines that the server wrote.",
};
const OF_PROGRAMS = ["method", "not_understood", "invalid", "not_json", "not_whole", "unknown_part", "content_type", "uploads", "nothing_asked", "too_few", "one_picture", "one_of_two"];
const MAY_PASS = [0, 408, 429, 500, 502, 503, 504, 507];

export function hintFor(code, said) {
  if (OF_PROGRAMS.includes(code)) return "Go back, or begin anew: the address may have been changed by hand.";
  return HINTS[code] ?? said;
}

/* Whether the same request may be answered the next time. */
export const mayPass = ({ status, code }) => !code || (status !== undefined && MAY_PASS.includes(status)) || code === "busy";
