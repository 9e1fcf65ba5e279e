package moto

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Reset forgets every resource and sets every switch back. Images of AWS's own stay.
func (s *Server) Reset(ctx context.Context) error {
	return s.post(ctx, "/moto-api/reset", nil)
}

// TargetHealth is what DescribeTargetHealth shall say of one registered target.
type TargetHealth struct {
	TargetGroup string `json:"target_group"` // ARN
	ID          string `json:"id"`           // instance id
	State       string `json:"state"`        // initial, healthy, unhealthy, draining or unused
	Reason      string `json:"reason,omitempty"`
	Description string `json:"description,omitempty"`
}

// SetTargetHealth sets what DescribeTargetHealth says of a target until it leaves the group.
func (s *Server) SetTargetHealth(ctx context.Context, h TargetHealth) error {
	return s.post(ctx, "/lab/target-health", h)
}

// SetDefaultTargetHealth sets the state newly registered targets begin in; moto's own is "healthy".
func (s *Server) SetDefaultTargetHealth(ctx context.Context, state string) error {
	return s.post(ctx, "/lab/default-target-health", map[string]any{"state": state})
}

// KeepDraining makes deregistered targets stay, draining; false lets all of them go, which is how moto begins.
func (s *Server) KeepDraining(ctx context.Context, keep bool) error {
	return s.post(ctx, "/lab/draining", map[string]any{"keep": keep})
}

// SetImageState sets an AMI's state: pending, available or failed.
func (s *Server) SetImageState(ctx context.Context, region, image, state string) error {
	return s.post(ctx, "/lab/image-state", map[string]any{"region": region, "image": image, "state": state})
}

// SetDefaultImageState sets the state that created and copied AMIs begin in; moto's own is "available".
func (s *Server) SetDefaultImageState(ctx context.Context, state string) error {
	return s.post(ctx, "/lab/default-image-state", map[string]any{"state": state})
}

// SetQuota sets a service quota of one region; see launcher/quotas.py for those known.
func (s *Server) SetQuota(ctx context.Context, region, service, code string, value float64) error {
	return s.post(ctx, "/lab/quota", map[string]any{"region": region, "service": service, "code": code, "value": value})
}

// FailLaunches makes every launch of an Auto Scaling group fail with the code, for example
// InsufficientInstanceCapacity; with code "" launches work again and the groups catch up.
func (s *Server) FailLaunches(ctx context.Context, code, message string) error {
	return s.post(ctx, "/lab/launch-failure", map[string]any{"code": code, "message": message})
}

func (s *Server) post(ctx context.Context, path string, body any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("ask moto for %s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+path, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("ask moto for %s: %w", path, err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("ask moto for %s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask moto for %s: read the answer: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("ask moto for %s: %s: %s", path, resp.Status, answer)
	}
	return nil
}
