-- +goose Up

-- Clients whose authorization requests count only if they were pushed (RFC 9126 §6).
alter table authd.clients
  add column require_pushed_requests boolean not null default false;

-- A pushed request is bound to the first browser that comes with it: null until then.
alter table authd.authorization_requests alter column browser_sha256 drop not null;

-- Of how many codes a client has used one challenge.
create index authorization_codes_challenge on authd.authorization_codes (client_id, code_challenge) where code_challenge <> '';

insert into authd.schema_versions (version, needs) values (9, 1);
