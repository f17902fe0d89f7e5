-- +goose Up

-- Where a browser may go after a sign-out, compared exactly.
alter table authd.clients
  add column post_logout_redirect_uris text[] not null default '{}';

-- Whom the client wants to be signed in; '': whoever it is.
alter table authd.authorization_requests
  add column subject_hint text collate "C" not null default '';

-- What stays the same when somebody proves again who they are, and the cookie changes.
alter table authd.sessions
  add column session_id uuid not null default gen_random_uuid();

-- The session of a browser in which the family began; null for one that began elsewhere. It
-- never changes, so that the index costs a rotation nothing.
alter table authd.token_families add column session_id uuid;
create index token_families_session on authd.token_families (session_id) where session_id is not null;
-- +goose StatementBegin
create or replace function authd.guard_token_family() returns trigger language plpgsql as $$
begin
  if (new.id, new.client_id, new.subject, new.scope, new.resource, new.auth_time, new.amr, new.acr,
      new.absolute_exp, new.user_epoch, new.client_epoch, new.created_at, new.first_address, new.first_user_agent,
      new.session_id)
     is distinct from
     (old.id, old.client_id, old.subject, old.scope, old.resource, old.auth_time, old.amr, old.acr,
      old.absolute_exp, old.user_epoch, old.client_epoch, old.created_at, old.first_address, old.first_user_agent,
      old.session_id) then
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

insert into authd.schema_versions (version, needs) values (7, 1);
