/** The form as files: what an operator applies. */
import { parseDocument, stringify } from "yaml";
import template from "../../../kubewarden/policy-discover.yaml?raw";
import type { Form } from "./form.ts";
import { helmValues, imagePullSecret, settings } from "./objects.ts";

export const OUTPUTS = ["imagepullsecret", "values", "policy"] as const;
export type Output = (typeof OUTPUTS)[number];

export const FILE_NAMES: Record<Output, string> = {
  imagepullsecret: "imagepullsecret.yaml",
  values: "values.yaml",
  policy: "clusteradmissionpolicy.yaml",
};

/** Stands for a password on the screen. */
export const MASK = "••••••••";

const OPTIONS = { lineWidth: 0, version: "1.1" } as const;

export function write(output: Output, form: Form): string {
  switch (output) {
    case "imagepullsecret":
      return stringify(imagePullSecret(form), OPTIONS);
    case "values":
      return stringify(helmValues(form), OPTIONS);
    case "policy":
      return clusterAdmissionPolicy(form);
  }
}

/** The same with passwords out of sight. */
export function show(output: Output, form: Form): string {
  return write(output, form.password === "" ? form : { ...form, password: MASK });
}

/** `artifacts/kubewarden` with the form's choices. */
function clusterAdmissionPolicy(form: Form): string {
  const document = parseDocument(template, { version: "1.1" });
  // The comment at the top is about the file in the repository.
  document.commentBefore = " Apply artifacts/kubewarden/rbac.yaml first. Needs Kubewarden 1.32 or later.";
  if (document.contents) document.contents.commentBefore = null;
  if (form.policyModule) document.setIn(["spec", "module"], form.policyModule);
  document.setIn(["spec", "mode"], form.mode);
  document.setIn(["spec", "failurePolicy"], form.failurePolicy);
  document.setIn(["spec", "settings"], document.createNode(settings(form)));
  if (!form.discover) document.deleteIn(["spec", "contextAwareResources", 2]);
  return document.toString(OPTIONS);
}
