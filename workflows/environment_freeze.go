package workflows

import (
	"fmt"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

const (
	helpFreeze = `Freezes the target: nothing begins, no traffic moves forward, nothing is taken away; going back stays possible. Body: {"name": "sales", "from": "2026-11-27T00:00:00Z", "until": "2026-11-30T00:00:00Z", "reason": "why", "by": "you"}`
	helpThaw   = `Ends a freeze of the target. Body: {"name": "sales", "by": "you"}`
)

// freezeOrder is an order to the environment by people.
type freezeOrder struct {
	name, help string
	take       func(workflow.Context, []byte) (string, error)
	check      func(workflow.Context, []byte) error
}

// handleFreezes registers the orders to freeze and to unfreeze the target, each as a
// signal and as an update.
func (e *environmentRun) handleFreezes(ctx workflow.Context) error {
	e.orders = []freezeOrder{
		{release.UpdateFreeze, helpFreeze, e.freeze, e.checkFreeze},
		{release.UpdateThaw, helpThaw, e.thaw, e.checkThaw},
	}
	for _, order := range e.orders {
		signals := workflow.GetSignalChannelWithOptions(ctx, order.name, workflow.SignalChannelOptions{Description: order.help})
		workflow.GoNamed(ctx, "signal "+order.name, func(ctx workflow.Context) {
			for {
				var body converter.RawValue
				signals.Receive(ctx, &body)
				e.takeSignal(ctx, order, body)
			}
		})
		err := workflow.SetUpdateHandlerWithOptions(ctx, order.name,
			func(ctx workflow.Context, body converter.RawValue) (string, error) {
				effect, err := order.take(ctx, body.Payload().GetData())
				return effect, refused(err)
			},
			workflow.UpdateHandlerOptions{
				Description: order.help,
				Validator: func(ctx workflow.Context, body converter.RawValue) error {
					return refused(order.check(ctx, body.Payload().GetData()))
				},
			})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *environmentRun) takeSignal(ctx workflow.Context, order freezeOrder, body converter.RawValue) {
	if _, err := order.take(ctx, body.Payload().GetData()); err != nil {
		workflow.GetLogger(ctx).Warn("order refused", "order", order.name, "reason", err.Error())
		e.state.Refuse(release.OrderKind(order.name), err, workflow.Now(ctx))
		e.show(ctx)
	}
}

// drainFreezes takes the signals that have arrived and were not read yet, so that a
// continued run loses none. It says whether there were any.
func (e *environmentRun) drainFreezes(ctx workflow.Context) (any bool) {
	for _, order := range e.orders {
		signals := workflow.GetSignalChannel(ctx, order.name)
		var body converter.RawValue
		for signals.ReceiveAsync(&body) {
			e.takeSignal(ctx, order, body)
			any = true
		}
	}
	return any
}

func (e *environmentRun) checkFreeze(ctx workflow.Context, body []byte) error {
	f, err := release.ParseFreeze(body)
	if err != nil {
		return err
	}
	return e.state.CheckFreeze(f, workflow.Now(ctx))
}

func (e *environmentRun) freeze(ctx workflow.Context, body []byte) (string, error) {
	f, err := release.ParseFreeze(body)
	if err != nil {
		return "", err
	}
	if err := e.state.Freeze(f, workflow.Now(ctx)); err != nil {
		return "", err
	}
	e.tellFreezes(ctx)
	return fmt.Sprintf("%s: %s", e.state.Target, f), nil
}

func (e *environmentRun) checkThaw(_ workflow.Context, body []byte) error {
	r, err := release.ParseThaw(body)
	if err != nil {
		return err
	}
	return e.state.CheckThaw(r)
}

func (e *environmentRun) thaw(ctx workflow.Context, body []byte) (string, error) {
	r, err := release.ParseThaw(body)
	if err != nil {
		return "", err
	}
	if err := e.state.CheckThaw(r); err != nil {
		return "", err
	}
	if err := e.state.Thaw(r.Name); err != nil {
		return "", err
	}
	e.tellFreezes(ctx)
	return fmt.Sprintf("freeze %q of %s is over", r.Name, e.state.Target), nil
}

// tellFreezes tells the holder of the target, beside all else: whoever gives the order
// does not wait for it. A holder that can't be told is told again by its next admission,
// or has ended. Each message carries all freezes, so that they are told one after the other.
func (e *environmentRun) tellFreezes(ctx workflow.Context) {
	e.changed(ctx)
	e.telling++
	workflow.GoNamed(ctx, "tell the holder", func(ctx workflow.Context) {
		defer func() { e.telling-- }()
		ctx, cancel := workflow.NewDisconnectedContext(ctx)
		defer cancel()
		if err := e.turn.Lock(ctx); err != nil {
			return
		}
		defer e.turn.Unlock()
		h := e.state.Holder
		if h == nil {
			return
		}
		err := workflow.SignalExternalWorkflow(ctx, h.WorkflowID, "", release.SignalFreezes, e.state.Freezes).Get(ctx, nil)
		if err != nil {
			workflow.GetLogger(ctx).Warn("the holder was not told of the freezes", "release", h.ID, "error", err.Error())
		}
	})
}
