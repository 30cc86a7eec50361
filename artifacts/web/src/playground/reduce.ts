/**
 * What of a document goes into a link: the parts that the policy reads, chosen one by one, so that nothing else can.
 * Environments, arguments, data, other annotations and comments stay behind, and what a credential may be is replaced.
 */
import { SETTINGS } from "../settings.ts";

type Fields = Record<string, unknown>;

/** Stands where something was, so that the policy's answer is the same. */
const LEFT_OUT = "left-out-of-the-link";

const ANNOTATIONS = [
  "tcr.tencentcloudcr.com/inject",
  "kubernetes.io/config.mirror",
  "kubernetes.io/enforce-mountable-secrets",
];

const TCR_FIELDS = ["instanceId", "region", "domains"];
const CREDENTIAL_FIELDS = [
  "type", "registryNamespaces", "validity", "shared", "rotateAfter", "description", "onDelete",
];
const NETWORK_FIELDS = ["resolve", "vpcId", "vpcIds", "address", "domains", "whenLinkDown"];

/** A document with what the policy reads of it. */
export function reduce(value: unknown): unknown {
  if (!isFields(value)) return null;
  if (Array.isArray(value.items)) return { ...pick(value, ["apiVersion", "kind"]), items: value.items.map(reduce) };
  if (isFields(value.request)) return { ...pick(value, ["apiVersion", "kind"]), request: reduceRequest(value.request) };
  if (value.object !== undefined || value.oldObject !== undefined) return reduceRequest(value);
  return reduceObject(value);
}

/** Settings without what is no setting; an unknown one keeps its name, which is what is wrong with it. */
export function reduceSettings(value: unknown): unknown {
  if (!isFields(value)) return null;
  return { ...namesOf(value), ...pick(value, SETTINGS) };
}

function reduceRequest(request: Fields): Fields {
  const user = isFields(request.userInfo) ? pick(request.userInfo, ["username"]) : undefined;
  return {
    ...pick(request, ["uid", "kind", "resource", "subResource", "name", "namespace", "operation"]),
    ...(user && { userInfo: user }),
    ...each(request, ["object", "oldObject"], (object) => (isFields(object) ? reduceObject(object) : null)),
  };
}

function reduceObject(object: Fields): Fields {
  const rest = {
    ...pick(object, ["apiVersion", "kind"]),
    ...each(object, ["metadata"], reduceMetadata),
  };
  switch (object.kind) {
    case "Pod":
      return { ...rest, ...each(object, ["spec"], reducePod) };
    case "ServiceAccount":
      return { ...rest, ...each(object, ["imagePullSecrets"], references) };
    case "ImagePullSecret":
      return { ...rest, ...each(object, ["spec"], reduceImagePullSecret), ...each(object, ["status"], (s) => pick(s, ["hosts", "tokenId"])) };
    case "PodTemplate":
      return { ...rest, ...each(object, ["template"], reduceTemplate) };
    case "CronJob":
      return {
        ...rest,
        ...each(object, ["spec"], (spec) => each(spec, ["jobTemplate"], (job) => each(job, ["spec"], (inner) => each(inner, ["template"], reduceTemplate)))),
      };
    case "Deployment":
    case "ReplicaSet":
    case "StatefulSet":
    case "DaemonSet":
    case "Job":
    case "ReplicationController":
      return { ...rest, ...each(object, ["spec"], (spec) => each(spec, ["template"], reduceTemplate)) };
    default:
      return rest;
  }
}

function reduceMetadata(metadata: unknown): Fields {
  return {
    ...pick(metadata, ["name", "namespace", "generateName", "labels", "deletionTimestamp"]),
    ...each(metadata, ["annotations"], (annotations) => pick(annotations, ANNOTATIONS)),
  };
}

function reduceTemplate(template: unknown): Fields {
  return { ...each(template, ["metadata"], reduceMetadata), ...each(template, ["spec"], reducePod) };
}

function reducePod(spec: unknown): Fields {
  return {
    ...pick(spec, ["serviceAccountName", "serviceAccount"]),
    ...each(spec, ["imagePullSecrets"], references),
    ...each(spec, ["initContainers", "containers", "ephemeralContainers"], (list) => map(list, (it) => pick(it, ["name", "image"]))),
    ...each(spec, ["volumes"], (list) =>
      map(list, (it) => ({ ...pick(it, ["name"]), ...each(it, ["image"], (image) => pick(image, ["reference"])) })).filter((it) => "image" in it),
    ),
  };
}

function reduceImagePullSecret(spec: unknown): Fields {
  return {
    ...namesOf(spec),
    ...pick(spec, ["namespaces", "serviceAccounts", "namespaceSelector", "conflictPolicy"]),
    ...each(spec, ["docker"], reduceDocker),
    ...each(spec, ["tcr"], (tcr) => ({
      ...namesOf(tcr),
      ...pick(tcr, TCR_FIELDS),
      ...each(tcr, ["credential"], (credential) => ({ ...namesOf(credential), ...pick(credential, CREDENTIAL_FIELDS) })),
      ...each(tcr, ["privateNetwork"], (network) => ({ ...namesOf(network), ...pick(network, NETWORK_FIELDS) })),
    })),
  };
}

/** Somebody may have written a password into any field of a credential. */
function reduceDocker(docker: unknown): Fields {
  return {
    ...namesOf(docker),
    ...each(docker, ["server"], (server) => (typeof server === "string" ? server.replace(/^.*@/s, "left-out@") : null)),
    ...each(docker, ["username"], (name) => (typeof name === "string" ? name.replace(/:.*$/s, ":left-out") : null)),
    ...each(docker, ["password"], (password) => (password === "" ? "" : LEFT_OUT)),
    ...each(docker, ["passwordSecretRef"], (reference) => pick(reference, ["name", "key"])),
  };
}

function references(list: unknown): Fields[] {
  return map(list, (it) => pick(it, ["name"]));
}

/** The names of an object's fields without their values. */
function namesOf(value: unknown): Fields {
  return isFields(value) ? Object.fromEntries(Object.keys(value).map((name) => [name, null])) : {};
}

function pick(value: unknown, names: readonly string[]): Fields {
  return each(value, names, (field) => field);
}

function each(value: unknown, names: readonly string[], reduced: (field: unknown) => unknown): Fields {
  if (!isFields(value)) return {};
  const present = names.filter((name) => Object.hasOwn(value, name));
  return Object.fromEntries(present.map((name) => [name, reduced(value[name])]));
}

function map(list: unknown, reduced: (item: unknown) => Fields): Fields[] {
  return Array.isArray(list) ? list.map(reduced) : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
