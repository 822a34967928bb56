/** A follow's policy as its form holds it. */
import { tagsFrom } from './format';
import type { Policy } from './network';

export const DAY = 86_400;

export interface PolicyForm {
  kind: 'none' | 'newest' | 'budget' | 'all';
  newest: number;
  budget: string;
  renditions: string;
  strategy: string;
  /** Seconds. */
  lifetime: number;
}

/** The form for a policy; without one, what a new follow begins with. */
export function formOf(policy?: Policy): PolicyForm {
  const [kind, value] = (policy?.replicate ?? 'none').split(':');
  return {
    kind: kind === 'newest' || kind === 'budget' || kind === 'all' ? kind : 'none',
    newest: kind === 'newest' ? Number(value) : 10,
    budget: kind === 'budget' ? (value ?? '') : '50GiB',
    renditions: (policy?.renditions ?? []).join(', '),
    strategy: policy?.strategy ?? 'newest',
    lifetime: policy?.min_lifetime ?? DAY,
  };
}

/** The policy that a form means, or what is wrong with it. */
export function policyFrom(form: PolicyForm): { policy: Policy; problem: string } {
  const budget = form.budget.replaceAll(' ', '');
  const problem =
    form.kind === 'newest' && !(Number.isInteger(form.newest) && form.newest > 0)
      ? 'Say how many: a whole number, 1 or more.'
      : form.kind === 'budget' && !/^\d+(\.\d+)?([kMGT]i?B|B)?$/i.test(budget)
        ? 'Say how much: a number with a unit, such as 50GiB.'
        : '';
  const value = { none: 'none', all: 'all', newest: `newest:${form.newest}`, budget: `budget:${budget}` }[form.kind];
  const keeps = form.kind !== 'none';
  return {
    policy: {
      replicate: value,
      renditions: keeps ? tagsFrom(form.renditions) : [],
      strategy: form.strategy,
      min_lifetime: keeps ? Math.round(form.lifetime) : 0,
    },
    problem,
  };
}
