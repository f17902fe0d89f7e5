-- +goose Up
alter table authd.signing_keys
  -- The longest safe lead of any server that ran while this key was announced or signing:
  -- what one configuration let verifiers cache, a shorter one may not cut off.
  add column safe_lead interval not null default interval '0',
  -- The name of the private half at a KMS or HSM that keeps it; null once destroyed there.
  add column signer_key text,
  add constraint signing_keys_one_private_half check (private_jwe is null or signer_key is null);

insert into authd.schema_versions (version, needs) values (2, 1);
