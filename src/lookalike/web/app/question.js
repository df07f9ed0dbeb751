/* What is asked in the search: the address and a question are two spellings of one thing, and a request is made of it.
 *
 * pictures   [{ id } | { file }, each with a weight]; `file` is a key of the basket
 * attributes Map of name to true (with it) or false (without it)
 * filters    label, where, folder: what an answer has to be
 * judging    threshold, lowest, probability: what it has to reach; null is the server's own choice
 */

import { ApiError } from "./api.js";
import { judgeOf } from "./thresholds.js";

export const LESS = -0.5; // of what answers are to be less like: a whole one would wipe out what is asked
export const FORGOTTEN = "forgotten";
const TOO_LARGE = "too-large"; // as FORGOTTEN, a code of the page's own
export const OF_UPLOADS = ["not_a_picture", "picture", "too_large", "too_many", FORGOTTEN, TOO_LARGE];

const KINDS = ["id", "file"];
const WORDS = ["label", "where", "folder", "threshold"];
const NUMBERS = ["lowest", "probability"];

export function readQuestion(parameters) {
  const pictures = [...parameters].filter(([key]) => KINDS.includes(key)).map(([key, value]) => pictureOf(key, value)).filter(({ id }) => id === undefined || id > 0);
  const question = { pictures, attributes: readAttributes(parameters.get("attributes") ?? ""), collapse: parameters.has("collapse") };
  for (const key of WORDS) question[key] = parameters.get(key) ?? "";
  for (const key of NUMBERS) question[key] = Number.parseFloat(parameters.get(key) ?? "");
  for (const key of NUMBERS) if (Number.isNaN(question[key])) question[key] = null;
  return question;
}

export function addressOf(question) {
  const parameters = new URLSearchParams();
  for (const { id, file, weight } of question.pictures) {
    parameters.append(id === undefined ? "file" : "id", `${id ?? file}${weight === 1 ? "" : `:${weight}`}`);
  }
  if (question.attributes.size) parameters.set("attributes", attributesText(question));
  for (const key of WORDS) if (question[key]) parameters.set(key, question[key]);
  for (const key of NUMBERS) if (question[key] !== null) parameters.set(key, question[key]);
  if (question.collapse) parameters.set("collapse", "1");
  return parameters;
}

export const asksFor = (question) => question.pictures.length > 0 || question.attributes.size > 0;
/* A threshold and a probability are made for two pictures: one that is asked about, and its answer. */
export const isJudged = ({ pictures, attributes }) => pictures.length === 1 && pictures[0].weight > 0 && !attributes.size;
export const isNarrowed = ({ label, where, folder, lowest, probability }) => Boolean(label || where || folder || lowest !== null || probability !== null);
export const isCombined = (question) => question.pictures.length + question.attributes.size > 1;

/* The filter in the words of the server's language. */
export function whereOf({ label, where }) {
  const stated = label && `label = '${label.replaceAll("'", "''")}'`;
  return stated && where ? `${stated} and (${where})` : stated || where;
}

/* The request: JSON where all pictures are items, else a form with the files in it. */
export function request(question, basket, { limits, thresholds }, page) {
  const ask = { ...page, query: [] }, files = [];
  for (const { id, file, weight } of question.pictures) {
    if (id !== undefined) ask.query.push({ id, weight });
    else ask.query.push({ upload: files.push(fileOf(basket, file, limits)) - 1, weight });
  }
  if (question.attributes.size) ask.attributes = attributesText(question);
  const where = whereOf(question);
  if (where) ask.where = where;
  if (question.folder) ask.folder = question.folder;
  if (question.lowest !== null) ask.lowest = question.lowest;
  if (isJudged(question)) {
    const threshold = judgeOf(question.threshold, thresholds);
    if (threshold) ask.threshold = threshold;
    if (threshold && question.probability !== null) ask.probability = question.probability;
  }
  if (question.collapse) ask.collapse = true;
  return { ask, body: files.length ? formOf(ask, files) : null };
}

function pictureOf(key, value) {
  const [name, weight = "1"] = value.split(":");
  return { [key]: key === "id" ? Number(name) : name, weight: Number(weight) || 1 };
}

function readAttributes(text) {
  const stated = text.split(",").filter(Boolean).map((part) => part.split("="));
  return new Map(stated.map(([name, value]) => [name, value !== "0"]));
}

function attributesText({ attributes }) {
  return [...attributes].map(([name, wanted]) => `${name}=${wanted ? 1 : 0}`).join(",");
}

function fileOf(basket, key, limits) {
  const file = basket.file(key);
  if (!file) {
    throw new ApiError({ code: FORGOTTEN, message: "The picture that was asked about is not here any more.", hint: "Uploaded pictures are not kept. Drop it again, or choose it." });
  }
  if (file.size > limits.bytes) {
    throw new ApiError({ code: TOO_LARGE, message: `The picture ${file.name || "that was pasted"} has ${megabytes(file.size)}; this server takes at most ${megabytes(limits.bytes)}.`, hint: "Make the picture smaller: for a search, 1,000 pixels a side are plenty." });
  }
  return file;
}

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

function formOf(ask, files) {
  const form = new FormData();
  for (const file of files) form.append("picture", file, file.name || "pasted picture");
  form.append("ask", JSON.stringify(ask));
  return form;
}
