import { useText } from "../text.tsx";
import { Group, useEditing } from "./fields.tsx";
import { type Tenant, TENANT_LISTS } from "./form.ts";

const EMPTY: Tenant = { name: "", users: "", groups: "", namespaces: "", namespaceLabels: "", registryNamespaces: "", instanceIds: "", roleArns: "", conflictPolicies: "" };

const EXAMPLES: Omit<Tenant, "name"> = {
  users: "system:serviceaccount:team-a:deployer",
  groups: "oidc:team-a",
  namespaces: "team-a\nteam-a-*",
  namespaceLabels: "tenant=team-a",
  registryNamespaces: "team-a\nbase",
  instanceIds: "tcr-dg284imq",
  roleArns: "qcs::cam::uin/100000000002:roleName/team-a-*",
  conflictPolicies: "adopt",
};

/** Whose ImagePullSecrets may say what, a part for each tenant. */
export function Tenants() {
  const { form, set } = useEditing();
  const text = useText().tenants;
  const change = (at: number, change: Partial<Tenant>) =>
    set({ tenants: form.tenants.map((tenant, index) => (index === at ? { ...tenant, ...change } : tenant)) });
  return (
    <Group field="tenants">
      {form.tenants.map((tenant, at) => (
        <fieldset class="tenant">
          <legend>{tenant.name || text.unnamed}</legend>
          <label>
            <span>{text.parts.name}</span>
            <input type="text" placeholder="team-a" spellcheck={false} value={tenant.name} onInput={({ currentTarget }) => change(at, { name: currentTarget.value })} />
          </label>
          {TENANT_LISTS.map((part) => (
            <label>
              <span>{text.parts[part]}</span>
              <textarea rows={2} placeholder={EXAMPLES[part]} spellcheck={false} value={tenant[part]} onInput={({ currentTarget }) => change(at, { [part]: currentTarget.value })} />
            </label>
          ))}
          <button type="button" class="quiet" onClick={() => set({ tenants: form.tenants.filter((_, index) => index !== at) })}>{text.remove}</button>
        </fieldset>
      ))}
      <button type="button" class="add" onClick={() => set({ tenants: [...form.tenants, EMPTY] })}>{text.add}</button>
    </Group>
  );
}
