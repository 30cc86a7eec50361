import { useMemo } from "preact/hooks";
import { stringify } from "yaml";
import { defaultDescription } from "../policy.ts";
import { useText } from "../text.tsx";
import { Choice, type Editing, EditingProvider, Flag, Group, idOf, Radios, TextInput, useEditing } from "./fields.tsx";
import { CHOICES, type Form, initialForm } from "./form.ts";
import { Import } from "./import-panel.tsx";
import { judge, type Judgement, type Remark } from "./judge.ts";
import { hasSecret, settings } from "./objects.ts";
import { OutputPanel } from "./output-panel.tsx";
import { REGIONS } from "./regions.ts";
import { Selector } from "./selector.tsx";
import { Tenants } from "./tenants.tsx";
import { useTouched } from "./touched.ts";
import { stateOf } from "./verdict.tsx";

interface Props {
  form: Form;
  setForm: (form: Form) => void;
  /** Takes settings to the playground. */
  onTry: (settings: string) => void;
}

export function Configure({ form, setForm, onTry }: Props) {
  const text = useText();
  const { isTouched, touch, touchAll, reset: untouch } = useTouched();
  const judgement = useMemo(() => judge(form), [form]);
  const editing: Editing = {
    form,
    set: (change) => setForm({ ...form, ...change }),
    isTouched,
    touch,
    errors: [...judgement.errors, ...judgement.settingsErrors, ...judgement.hostsErrors],
    warnings: judgement.warnings,
  };
  const goTo = ({ field }: Remark) => {
    touch(field);
    document.getElementById(idOf(field))?.focus();
  };
  const start = (form: Form) => {
    setForm(form);
    touchAll();
  };
  const reset = () => {
    setForm(initialForm());
    untouch();
  };
  return (
    <EditingProvider value={editing}>
      <div class="configure">
        <div class="intro">
          <h1>{text.configure.title}</h1>
          <p>{text.configure.lead}</p>
        </div>
        <form class="parameters" onSubmit={(event) => event.preventDefault()}>
          <Import form={form} onImport={start} />
          <section class="card" aria-labelledby="instance-heading">
            <h2 id="instance-heading">{text.sections.instance}</h2>
            <TextInput field="name" />
            <Radios field="source" values={CHOICES.source} />
            {form.source === "tcr" ? <Instance /> : <StaticCredential />}
          </section>
          <section class="card" aria-labelledby="pulling-heading">
            <h2 id="pulling-heading">{text.sections.pulling}</h2>
            <TextInput field="namespaces" />
            <TextInput field="serviceAccounts" />
            <Selector />
            <Choice field="conflictPolicy" values={CHOICES.conflictPolicy} />
          </section>
          {form.source === "tcr" && <Credential />}
          <PrivateNetwork />
          <Policy />
          <div class="actions">
            <button type="button" id="reset" class="quiet" onClick={reset}>{text.configure.reset}</button>
          </div>
        </form>
        <ToResult judgement={judgement} isTouched={isTouched} />
        <OutputPanel form={form} judgement={judgement} isTouched={isTouched} goTo={goTo} onTake={touchAll} onTry={() => onTry(stringify(settings(form), { lineWidth: 0, version: "1.1" }))} />
      </div>
    </EditingProvider>
  );
}

/** Where the result is a long way below: whether admission accepts it, and the way there. */
function ToResult({ judgement: { errors }, isTouched }: { judgement: Judgement; isTouched: Editing["isTouched"] }) {
  const text = useText();
  const state = stateOf(errors, isTouched);
  const words = {
    admitted: text.output.accepted,
    needed: text.output.fieldsNeeded(new Set(errors.map(({ field }) => field)).size),
    refused: text.output.reasons(errors.filter(({ field }) => isTouched(field)).length),
  };
  const go = (event: Event) => {
    event.preventDefault();
    document.getElementById("output-heading")?.scrollIntoView();
    document.getElementById("tab-imagepullsecret")?.focus({ preventScroll: true });
  };
  return (
    <a class={`to-result verdict ${state}`} href="#output-heading" onClick={go}>
      <span>{text.output.title}</span>
      <span>{words[state]}</span>
    </a>
  );
}

function Instance() {
  return (
    <>
      <div class="pair">
        <TextInput field="instanceId" placeholder="tcr-dg284imq" />
        <TextInput field="region" placeholder="ap-guangzhou" suggestions={REGIONS} />
      </div>
      <div class="pair">
        <TextInput field="clusterId" placeholder="cls-1a2b3c4d" />
        <TextInput field="clusterRegion" placeholder="ap-guangzhou" suggestions={REGIONS} />
      </div>
      <TextInput field="roleArn" placeholder="qcs::cam::uin/100000000002:roleName/reader" />
    </>
  );
}

function StaticCredential() {
  const { form } = useEditing();
  return (
    <>
      <TextInput field="server" placeholder="demo.tencentcloudcr.com" />
      <TextInput field="username" placeholder="100012345678" />
      <Radios field="passwordFrom" values={CHOICES.passwordFrom} />
      {form.passwordFrom === "plain" ? (
        <TextInput field="password" isPassword />
      ) : (
        <div class="pair">
          <TextInput field="secretName" placeholder="demo-password" />
          <TextInput field="secretKey" placeholder="password" />
        </div>
      )}
    </>
  );
}

function ServiceAccount() {
  return (
    <>
      <TextInput field="registryNamespaces" rows={2} placeholder="team-a" />
      <TextInput field="validity" placeholder="2160h" />
      <Flag field="sharedAccount" />
    </>
  );
}

function Credential() {
  const { form } = useEditing();
  const text = useText();
  return (
    <section class="card" aria-labelledby="credential-heading">
      <h2 id="credential-heading">{text.sections.credential}</h2>
      <Choice field="credentialType" values={CHOICES.credentialType} />
      {form.credentialType === "serviceAccount" && <ServiceAccount />}
      {hasSecret(form) && (
        <>
          <TextInput field="description" placeholder={defaultDescription(form.clusterId || "cls-xxxxxxx")} />
          <div class="pair">
            {form.credentialType !== "serviceAccount" && <TextInput field="rotateAfter" placeholder="2160h" />}
            <Choice field="onDelete" values={CHOICES.onDelete} />
          </div>
          <Group field="domains">
            <Flag field="defaultDomain" />
            <Flag field="vpcDomain" />
            <TextInput field="customDomains" rows={2} placeholder="team.tencentcloudcr.com" />
          </Group>
          <TextInput field="aliases" rows={2} placeholder="cache.example.com" />
        </>
      )}
    </section>
  );
}

function PrivateNetwork() {
  const { form } = useEditing();
  const text = useText();
  return (
    <section class="card" aria-labelledby="network-heading">
      <h2 id="network-heading">{text.sections.network}</h2>
      {form.source === "tcr" && (
        <>
          <Flag field="resolve" />
          <div class="pair">
            <TextInput field="vpcId" placeholder="vpc-dg284imq" />
            <Choice field="whenLinkDown" values={CHOICES.whenLinkDown} />
          </div>
          <TextInput field="vpcIds" rows={2} placeholder={"vpc-dg284imq\nvpc-74ffq7ov"} />
          <TextInput field="address" placeholder="10.0.2.7" />
          <Group field="privateDomains">
            <Flag field="privateDefaultDomain" />
            <Flag field="privateVpcDomain" />
            <TextInput field="privateCustomDomains" rows={2} placeholder="team.tencentcloudcr.com" />
          </Group>
        </>
      )}
      <TextInput field="hostsEntries" rows={2} placeholder="10.0.2.7 demo-vpc.tencentcloudcr.com" />
    </section>
  );
}

function Policy() {
  const { form } = useEditing();
  const text = useText();
  return (
    <section class="card" aria-labelledby="policy-heading">
      <h2 id="policy-heading">{text.sections.policy}</h2>
      <Flag field="discover" />
      {form.discover ? (
        <Choice field="onDiscoveryFailure" values={CHOICES.onDiscoveryFailure} />
      ) : (
        <TextInput field="registryHosts" rows={2} placeholder={"demo.tencentcloudcr.com\ndemo-vpc.tencentcloudcr.com"} />
      )}
      <div class="pair">
        <Choice field="declared" values={CHOICES.declared} />
        <Choice field="protect" values={CHOICES.protect} />
      </div>
      <div class="pair">
        <Choice field="mode" values={CHOICES.mode} />
        <Choice field="failurePolicy" values={CHOICES.failurePolicy} />
      </div>
      <TextInput field="allowedRoots" rows={2} />
      <TextInput field="allowedAliases" rows={2} placeholder="cache.example.com" />
      <TextInput field="allowedRoles" rows={2} placeholder="qcs::cam::uin/100000000002:roleName/reader" />
      <TextInput field="controllerUsernames" rows={2} />
      <Tenants />
      <TextInput field="policyModule" placeholder="registry://demo.tencentcloudcr.com/tcr-assistant/policy:v0.1.0" />
    </section>
  );
}
