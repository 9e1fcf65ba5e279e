#!/bin/sh
# Written by Switchyard: resolves the references in /etc/switchyard/secrets with the
# instance's own role. It tries until it succeeds; the application starts afterwards.
set -u
umask 077
region=REGION
out=/run/switchyard/secrets.env

fetch() {
	case $1 in
	ssm:*) aws ssm get-parameter --region "$region" --with-decryption --name "${1#ssm:}" --query Parameter.Value --output text </dev/null ;;
	secretsmanager:*) aws secretsmanager get-secret-value --region "$region" --secret-id "${1#secretsmanager:}" --query SecretString --output text </dev/null ;;
	*) return 1 ;;
	esac
}

resolve() {
	: >"$out.new" || return 1
	while IFS= read -r line; do
		value=$(fetch "${line#*=}") || {
			echo "secret ${line%%=*}: ${line#*=} can't be resolved" >&2
			return 1
		}
		printf '%s="%s"\n' "${line%%=*}" "$(printf '%s' "$value" | sed 's/[\\"$`]/\\&/g')" >>"$out.new"
	done </etc/switchyard/secrets
	mv "$out.new" "$out"
}

until resolve; do
	sleep 5
done
