-- +goose Up

-- Where a family was used from, first at its sign-in and last at its newest rotation, where
-- the host wants it kept: personal data, which goes with the row. An inet is checked by the
-- server, takes 7 or 19 bytes, and has no place for a zone. No index, so that rotations stay
-- HOT.
alter table authd.token_families
  add column first_address inet,
  add column first_user_agent text,
  add column last_address inet,
  add column last_user_agent text,
  -- One address, no network.
  add constraint token_families_addresses_single check (
    masklen(first_address) = case family(first_address) when 4 then 32 else 128 end
    and masklen(last_address) = case family(last_address) when 4 then 32 else 128 end),
  add constraint token_families_user_agents_short check (
    octet_length(first_user_agent) between 1 and 256 and octet_length(last_user_agent) between 1 and 256),
  -- The first use is the last one until there is another: nothing is kept twice.
  add constraint token_families_last_use_after_first check (
    generation > 0 or (last_address is null and last_user_agent is null));

-- The first use belongs to what was granted, and the last one to its generation.
-- +goose StatementBegin
create or replace function authd.guard_token_family() returns trigger language plpgsql as $$
begin
  if (new.id, new.client_id, new.subject, new.scope, new.resource, new.auth_time, new.amr, new.acr,
      new.absolute_exp, new.user_epoch, new.client_epoch, new.created_at, new.first_address, new.first_user_agent)
     is distinct from
     (old.id, old.client_id, old.subject, old.scope, old.resource, old.auth_time, old.amr, old.acr,
      old.absolute_exp, old.user_epoch, old.client_epoch, old.created_at, old.first_address, old.first_user_agent) then
    raise exception 'a token family never changes what was granted'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_grant_fixed';
  end if;
  if old.revoked_at is not null and new is distinct from old then
    raise exception 'a revoked token family never changes'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_revoked_is_final';
  end if;
  if new.generation = old.generation then
    if (new.leaf_jti, new.leaf_kid, new.leaf_iat, new.leaf_exp, new.parent_jti, new.rotated_at,
        new.last_address, new.last_user_agent)
       is distinct from
       (old.leaf_jti, old.leaf_kid, old.leaf_iat, old.leaf_exp, old.parent_jti, old.rotated_at,
        old.last_address, old.last_user_agent)
       or new.replays < old.replays then
      raise exception 'a leaf never changes within its generation'
        using errcode = 'integrity_constraint_violation', constraint = 'token_families_leaf_fixed';
    end if;
  elsif new.generation is distinct from old.generation + 1
     or new.parent_jti is distinct from old.leaf_jti or new.leaf_jti = old.leaf_jti then
    raise exception 'a token family steps by one generation, from leaf to leaf'
      using errcode = 'integrity_constraint_violation', constraint = 'token_families_steps_by_one';
  end if;
  return new;
end $$;
-- +goose StatementEnd

insert into authd.schema_versions (version, needs) values (4, 1);
