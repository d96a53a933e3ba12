// Compares a value with the schema of a declared type.
const present = (schema) => (schema.oneOf ?? [schema]).filter((form) => form.type !== "null");

/** The faults of a value: each with its place. */
export function faults(schema, value, place = "") {
  if (!schema || Object.keys(schema).length === 0) return [];
  if (value === null) return (schema.oneOf ?? [schema]).some((form) => form.type === "null") ? [] : [`${place} is null`];
  const forms = present(schema);
  if (forms.length > 1) {
    const all = forms.map((form) => faults(form, value, place)).sort((a, b) => a.length - b.length);
    return all[0];
  }
  const [form] = forms;
  if (form.oneOf) return faults(form, value, place);
  if (form.enum) return form.enum.includes(value) ? [] : [`${place}: ${JSON.stringify(value)} is not a value of the type`];
  if (form.type === "array") {
    if (!Array.isArray(value)) return [`${place} is not an array`];
    return value.flatMap((item, at) => faults(form.items, item, `${place}[${at}]`));
  }
  if (form.type === "object") {
    if (typeof value !== "object" || Array.isArray(value)) return [`${place} is not an object`];
    if (!form.properties) return Object.entries(value).flatMap(([name, own]) => faults(form.additionalProperties, own, `${place}.${name}`));
    const missing = form.required.filter((name) => !(name in value)).map((name) => `${place}.${name} is missing`);
    const unknown = Object.keys(value).filter((name) => !(name in form.properties)).map((name) => `${place}.${name} is unknown`);
    return [...missing, ...unknown, ...Object.entries(value).filter(([name]) => name in form.properties).flatMap(([name, own]) => faults(form.properties[name], own, `${place}.${name}`))];
  }
  return typeof value === form.type ? [] : [`${place} is a ${typeof value}, not a ${form.type}`];
}
