-- +goose Up

-- Clients that prove with a key of their own who they are (RFC 7523): their public keys are
-- in the registration, or at a URI.
alter table authd.clients
  drop constraint clients_auth_method_known,
  add constraint clients_auth_method_known
    check (auth_method in ('client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none')),
  add column jwks text not null default '', -- RFC 7517, public members only
  add column jwks_uri text not null default '',
  add constraint clients_one_source_of_keys check (
    case when auth_method = 'private_key_jwt' then (jwks = '') <> (jwks_uri = '') else jwks = '' and jwks_uri = '' end);

-- Each jti of a client is taken once (RFC 7523 §3): the primary key decides between two at
-- once. No foreign key to clients: its key-share lock would write to a busy client's row
-- with each assertion.
create table authd.client_assertions (
  client_id  text collate "C" not null,
  jti_sha256 bytea not null,
  exp        timestamptz not null,
  primary key (client_id, jti_sha256),
  constraint client_assertions_jti_length check (length(jti_sha256) = 32)
);
create index client_assertions_exp on authd.client_assertions (exp);

insert into authd.schema_versions (version, needs) values (6, 1);
