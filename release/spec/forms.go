package spec

import (
	"path"
	"regexp"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// form is one way of writing a text: what it is called in a message, what is
// allowed, and the pattern or check that decides.
type form struct {
	noun    string
	allowed string
	pattern string
	check   func(string) bool // in addition to pattern; may be nil
	secret  bool              // a wrong value may be a secret and is never shown
}

// forms are the values of the struct tags `form` and `keys`.
var forms = map[string]form{
	"name": {noun: "a name", pattern: `^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`,
		allowed: "1 to 40 lower-case letters, digits and dashes, with a letter or digit at both ends"},
	"version": {noun: "a version", pattern: `^[A-Za-z0-9][A-Za-z0-9._+-]{0,127}$`,
		allowed: "1 to 128 letters, digits, dots, dashes, underscores and plus signs, starting with a letter or digit, such as 1.4.2"},
	"commit": {noun: "a commit", pattern: `^[0-9a-f]{7,64}$`,
		allowed: "7 to 64 lower-case hexadecimal digits"},
	"digest": {noun: "an image digest", pattern: `^sha256:[0-9a-f]{64}$`,
		allowed: `"sha256:" and 64 lower-case hexadecimal digits`},
	"image": {noun: "an image", pattern: `^(sha256:[0-9a-f]{64}|ami-[0-9a-f]{8,17})$`,
		allowed: `"sha256:" and 64 lower-case hexadecimal digits, or the id of an AMI such as ami-0123456789abcdef0`},
	"path": {noun: "a path", pattern: `^[^\x00-\x1f]+$`,
		allowed: "a path of a file or folder"},
	"glob": {noun: "a glob pattern", pattern: `^[^\x00-\x1f]+$`, check: isGlob,
		allowed: "a path in the image in which *, ? and [a-z] stand for characters, such as usr/share/doc/*"},
	"reference": {noun: "a reference", pattern: `^(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+)$`, secret: true,
		allowed: "env:NAME for an environment variable or file:/path for a file, read where it is needed; never the value itself"},
	"fleetReference": {noun: "a reference", pattern: `^(env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+|ssm:/[A-Za-z0-9_./-]+|secretsmanager:[A-Za-z0-9_/+=.@:-]+)$`, secret: true,
		allowed: "env:NAME or file:/path on the local platform, ssm:/parameter or secretsmanager:name on AWS; never the value itself"},
	"roleArn": {noun: "the ARN of a role", pattern: `^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$`,
		allowed: "an ARN such as arn:aws:iam::123456789012:role/switchyard"},
	"listenerArn": {noun: "the ARN of a listener or of a listener's rule", pattern: `^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:listener(-rule)?/app/[A-Za-z0-9/-]+$`,
		allowed: "the ARN of a listener, or of a listener rule, of an Application Load Balancer"},
	"targetGroupArn": {noun: "the ARN of a target group", pattern: `^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:targetgroup/[A-Za-z0-9/-]+$`,
		allowed: "an ARN such as arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/checkout-a/0123456789abcdef"},
	"kmsKeyArn": {noun: "the ARN of a KMS key", pattern: `^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[A-Za-z0-9/_-]+$`,
		allowed: "an ARN such as arn:aws:kms:eu-west-1:123456789012:key/0123abcd-..."},
	"subnetId": {noun: "the id of a subnet", pattern: `^subnet-[0-9a-f]{8,17}$`,
		allowed: "an id such as subnet-0123456789abcdef0"},
	"securityGroupId": {noun: "the id of a security group", pattern: `^sg-[0-9a-f]{8,17}$`,
		allowed: "an id such as sg-0123456789abcdef0"},
	"accountId": {noun: "an AWS account", pattern: `^[0-9]{12}$`,
		allowed: "12 digits, in quotes"},
	"instanceType": {noun: "an instance type", pattern: `^[a-z][a-z0-9-]*\.[a-z0-9-]+$`,
		allowed: "a type such as m7g.large"},
	"awsName": {noun: "a name", pattern: `^[A-Za-z0-9+=,.@_-]{1,128}$`,
		allowed: "1 to 128 letters, digits and +=,.@_-"},
	"httpUrl": {noun: "the URL of an entry", pattern: `^https?://[^\s/?#]+/?$`,
		allowed: "http:// or https://, a host and perhaps a port, without a path"},
	"webUrl": {noun: "a URL", pattern: `^https?://[^\s/?#]+[^\s#]*$`,
		allowed: "http:// or https://, a host, and perhaps a port, a path and a query"},
	"cron": {noun: "a time in cron's form", pattern: `^\S+( \S+){4}$`, check: isCron,
		allowed: "five fields: minute, hour, day of month, month and day of week, such as 30 2 * * 1-5"},
	"variable": {noun: "the name of an environment variable", pattern: `^[A-Za-z_][A-Za-z0-9_]*$`,
		allowed: "letters, digits and underscores, not starting with a digit"},
	"packerVariable": {noun: "the name of a Packer variable", pattern: `^[A-Za-z_][A-Za-z0-9_-]*$`,
		allowed: "letters, digits, underscores and dashes, starting with a letter or underscore"},
	"header": {noun: "the name of a header", pattern: `^[A-Za-z0-9-]+$`,
		allowed: "letters, digits and dashes, such as Content-Type"},
	"dotPath": {noun: "a dot path", pattern: `^[^.\s]+(\.[^.\s]+)*$`,
		allowed: "names of fields or numbers of list entries, joined by dots, such as build.version or regions.0.name"},
	"urlPath": {noun: "a URL path", pattern: `^/[^\s#\x00-\x1f]*$`,
		allowed: "a path that starts with /, without spaces and #, such as /healthz"},
	"clock": {noun: "a time of day", pattern: `^([01][0-9]|2[0-3]):[0-5][0-9]$`,
		allowed: "hours and minutes on a 24-hour clock, from 00:00 to 23:59"},
	"timeZone": {noun: "a known time zone", pattern: `^[A-Za-z][A-Za-z0-9_+/-]*$`, check: isTimeZone,
		allowed: "an IANA name, such as UTC or Europe/Berlin"},
	"text": {noun: "a text that says something", pattern: `\S`,
		allowed: "a text that is not empty"},
}

var patterns = func() map[string]*regexp.Regexp {
	m := make(map[string]*regexp.Regexp, len(forms))
	for name, f := range forms {
		m[name] = regexp.MustCompile(f.pattern)
	}
	return m
}()

// matches says whether the text has the named form; every text has the form "".
func matches(name, text string) bool {
	f, ok := forms[name]
	if !ok {
		return true
	}
	return patterns[name].MatchString(text) && (f.check == nil || f.check(text))
}

func isGlob(pattern string) bool {
	_, err := path.Match(pattern, "")
	return err == nil
}

// isCron says whether the five fields parse. Zones and @-words are not part of them.
func isCron(text string) bool {
	_, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(text)
	return err == nil && !strings.Contains(text, "=")
}

// isTimeZone refuses "Local", which means another zone on every machine.
func isTimeZone(name string) bool {
	if name == "Local" {
		return false
	}
	_, err := time.LoadLocation(name)
	return err == nil
}
