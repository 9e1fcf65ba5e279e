//go:generate packer-sdc mapstructure-to-hcl2 -type Config,DatasourceOutput

// Package live is the data source "switchyard-live-image": which image serves an
// application in an environment right now. The answer comes from the local cloud.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/hcldec"
	"github.com/hashicorp/packer-plugin-sdk/hcl2helper"
	packersdk "github.com/hashicorp/packer-plugin-sdk/packer"
	"github.com/hashicorp/packer-plugin-sdk/template/config"
	"github.com/zclconf/go-cty/cty"
)

// Config is the data block of a template.
type Config struct {
	// Base URL of the local cloud's API.
	Endpoint string `mapstructure:"endpoint"`
	// The target: an application in an environment.
	Application string `mapstructure:"application" required:"true"`
	Environment string `mapstructure:"environment" required:"true"`
	// Region to look in. Empty: the one the local cloud answers for.
	Region string `mapstructure:"region"`
	// Image to answer with when nothing is live yet, or there is no endpoint.
	Default string `mapstructure:"default"`
}

// DatasourceOutput is what the template can use.
type DatasourceOutput struct {
	// Digest of the live image; the default when nothing is live.
	Image string `mapstructure:"image"`
	// Version of the live image; empty when nothing is live.
	Version string `mapstructure:"version"`
}

// Datasource is the data source "switchyard-live-image".
type Datasource struct {
	config Config
}

var _ packersdk.Datasource = (*Datasource)(nil)

// requestTimeout bounds the one question a bake asks.
const requestTimeout = 10 * time.Second

// ConfigSpec describes the data block to Packer.
func (d *Datasource) ConfigSpec() hcldec.ObjectSpec { return d.config.FlatMapstructure().HCL2Spec() }

// OutputSpec describes the answer to Packer.
func (d *Datasource) OutputSpec() hcldec.ObjectSpec {
	return (&DatasourceOutput{}).FlatMapstructure().HCL2Spec()
}

// Configure checks the data block.
func (d *Datasource) Configure(raws ...any) error {
	if err := config.Decode(&d.config, nil, raws...); err != nil {
		return err
	}
	var errs *packersdk.MultiError
	if d.config.Application == "" {
		errs = packersdk.MultiErrorAppend(errs, errors.New("application must not be empty"))
	}
	if d.config.Environment == "" {
		errs = packersdk.MultiErrorAppend(errs, errors.New("environment must not be empty"))
	}
	if d.config.Endpoint != "" {
		u, err := url.Parse(d.config.Endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			errs = packersdk.MultiErrorAppend(errs, fmt.Errorf("endpoint %q is not a URL like http://127.0.0.1:7070", d.config.Endpoint))
		}
	}
	if errs != nil && len(errs.Errors) > 0 {
		return errs
	}
	return nil
}

// Execute asks the local cloud. Nothing live is not an error; no answer is one.
func (d *Datasource) Execute() (cty.Value, error) {
	out := DatasourceOutput{Image: d.config.Default}
	if d.config.Endpoint != "" {
		found, err := d.ask()
		if err != nil {
			return cty.NullVal(cty.EmptyObject), err
		}
		if found.Image != "" {
			out = found
		}
	}
	return hcl2helper.HCL2ValueFromConfig(out, d.OutputSpec()), nil
}

func (d *Datasource) ask() (DatasourceOutput, error) {
	var out DatasourceOutput
	address := fmt.Sprintf("%s/v1/targets/%s/%s/live", strings.TrimRight(d.config.Endpoint, "/"),
		url.PathEscape(d.config.Application), url.PathEscape(d.config.Environment))
	if d.config.Region != "" {
		address += "?region=" + url.QueryEscape(d.config.Region)
	}
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return out, fmt.Errorf("ask which image is live: %w", err)
	}
	resp, err := http.DefaultClient.Do(request)
	if err != nil {
		return out, fmt.Errorf("ask which image is live: %w (is the local cloud running?)", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return out, fmt.Errorf("ask which image is live: read %s: %w", address, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		if err := json.Unmarshal(body, &out); err != nil {
			return out, fmt.Errorf("ask which image is live: answer of %s: %w", address, err)
		}
		return out, nil
	case http.StatusNotFound, http.StatusNoContent:
		return out, nil
	default:
		return out, fmt.Errorf("ask which image is live: %s answered %s: %s", address, resp.Status, strings.TrimSpace(string(body)))
	}
}
