package starter

import (
	"context"
	"fmt"
	"slices"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/switchyard/switchyard/release"
)

// The search attributes of a release.
var (
	Application = temporal.NewSearchAttributeKeyKeyword(release.AttributeApplication)
	Environment = temporal.NewSearchAttributeKeyKeyword(release.AttributeEnvironment)
	Version     = temporal.NewSearchAttributeKeyKeyword(release.AttributeVersion)
	Phase       = temporal.NewSearchAttributeKeyKeyword(release.AttributePhase)
	Region      = temporal.NewSearchAttributeKeyKeywordList(release.AttributeRegion)
)

// SearchAttributes are the search attributes a namespace needs, by name.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	return map[string]enumspb.IndexedValueType{
		release.AttributeApplication: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		release.AttributeEnvironment: enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		release.AttributeVersion:     enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		release.AttributePhase:       enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		release.AttributeRegion:      enumspb.INDEXED_VALUE_TYPE_KEYWORD_LIST,
	}
}

// RegisterSearchAttributes adds the search attributes that the namespace lacks and
// returns their names, sorted, once the namespace knows them. Calling it again adds
// nothing. An attribute of the same name but another type is an error.
func RegisterSearchAttributes(ctx context.Context, c client.Client, namespace string) ([]string, error) {
	have, err := knownAttributes(ctx, c, namespace)
	if err != nil {
		return nil, err
	}
	add := map[string]enumspb.IndexedValueType{}
	var names []string
	for name, want := range SearchAttributes() {
		switch got, ok := have[name]; {
		case !ok:
			add[name] = want
			names = append(names, name)
		case got != want:
			return nil, fmt.Errorf("register search attribute %s in namespace %s: it exists as %s, Switchyard needs %s; remove or rename the other one", name, namespace, got, want)
		}
	}
	slices.Sort(names)
	if len(add) == 0 {
		return nil, nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{SearchAttributes: add, Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("register search attributes %v in namespace %s: %w (on Temporal Cloud, add them in its console or with tcld)", names, namespace, err)
	}
	return names, waitForAttributes(ctx, c, namespace, names)
}

// waitForAttributes polls until the namespace lists the names: the frontend reads
// them from a cache that lags behind the registration.
func waitForAttributes(ctx context.Context, c client.Client, namespace string, names []string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		have, err := knownAttributes(ctx, c, namespace)
		if err == nil && !slices.ContainsFunc(names, func(n string) bool { _, ok := have[n]; return !ok }) {
			return nil
		}
		if pause(ctx, time.Second) != nil {
			return fmt.Errorf("wait for search attributes %v in namespace %s: the server took them and does not list them yet; look again in a minute", names, namespace)
		}
	}
}

func knownAttributes(ctx context.Context, c client.Client, namespace string) (map[string]enumspb.IndexedValueType, error) {
	resp, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return nil, fmt.Errorf("list the search attributes of namespace %s: %w", namespace, err)
	}
	return resp.GetCustomAttributes(), nil
}

// pause waits, or returns the error of a context that ended first.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
