package ask

import (
	"net/url"
	"regexp"
	"strings"
)

// variable is one of the names that stand for something in the texts of a check. Other
// dollars stay as they are: they mean something in regular expressions.
var variable = regexp.MustCompile(`\$(application|environment|version|release|region|fleet|live)\b`)

// value is what a variable stands for.
func (s Subject) value(name string) string {
	switch strings.TrimPrefix(name, "$") {
	case "application":
		return s.Target.Application
	case "environment":
		return s.Target.Environment
	case "version":
		return s.Version
	case "release":
		return s.Release
	case "region":
		return s.Region
	case "fleet":
		return s.Fleet
	case "live":
		return s.Live
	}
	return name
}

// fill puts values in the place of variables, once: a value with a dollar is not filled again.
func (s Subject) fill(text string) string {
	return variable.ReplaceAllStringFunc(text, s.value)
}

// fillURL is fill with values written as the part of the URL that they stand in needs.
func (s Subject) fillURL(text string) string {
	path, query, asks := strings.Cut(text, "?")
	path = variable.ReplaceAllStringFunc(path, func(name string) string { return url.PathEscape(s.value(name)) })
	if !asks {
		return path
	}
	return path + "?" + variable.ReplaceAllStringFunc(query, func(name string) string { return url.QueryEscape(s.value(name)) })
}

// fillAll fills the values of a map.
func (s Subject) fillAll(texts map[string]string) map[string]string {
	if texts == nil {
		return nil
	}
	out := make(map[string]string, len(texts))
	for name, text := range texts {
		out[name] = s.fill(text)
	}
	return out
}

// lacks says whether a text speaks of the live fleet when there is none. An empty name
// in a query would select something else.
func (s Subject) lacks(texts ...string) bool {
	if s.Live != "" {
		return false
	}
	for _, text := range texts {
		for _, name := range variable.FindAllString(text, -1) {
			if name == "$live" {
				return true
			}
		}
	}
	return false
}

const noLive = "there is no live fleet that $live could stand for"
