package workflows

import (
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/switchyard/switchyard/release"
)

// handleOrders registers every order as a signal and as an update, before anything
// blocks. Both lead to take; bodies are read raw, so that a wrong one is refused
// with a reason instead of being lost.
func (r *releaseRun) handleOrders(ctx workflow.Context) error {
	for _, help := range release.OrderKinds() {
		kind := help.Kind
		signals := workflow.GetSignalChannelWithOptions(ctx, string(kind), workflow.SignalChannelOptions{Description: help.Help})
		workflow.GoNamed(ctx, "signal "+string(kind), func(ctx workflow.Context) {
			for {
				var body converter.RawValue
				signals.Receive(ctx, &body)
				r.takeSignal(ctx, kind, body)
			}
		})
		err := workflow.SetUpdateHandlerWithOptions(ctx, string(kind),
			func(ctx workflow.Context, body converter.RawValue) (release.OrderAnswer, error) {
				return r.takeUpdate(ctx, kind, body)
			},
			workflow.UpdateHandlerOptions{
				Description: help.Help,
				Validator: func(ctx workflow.Context, body converter.RawValue) error {
					order, err := release.ParseOrder(kind, body.Payload().GetData())
					if err == nil {
						err = r.state.CheckOrder(order, workflow.Now(ctx))
					}
					if err != nil { // a refused update leaves no history, so the log is all there is of it
						workflow.GetLogger(ctx).Warn("order refused", "order", string(kind), "by", order.By, "reason", err.Error())
					}
					return refused(err)
				},
			})
		if err != nil {
			return err
		}
	}
	admitted := workflow.GetSignalChannelWithOptions(ctx, release.SignalAdmitted, workflow.SignalChannelOptions{
		Description: "Sent by the environment when the target is free. Not for people.",
	})
	workflow.GoNamed(ctx, "signal admitted", func(ctx workflow.Context) {
		for {
			admitted.Receive(ctx, nil)
			r.admitted = true
		}
	})
	return nil
}

func (r *releaseRun) takeSignal(ctx workflow.Context, kind release.OrderKind, body converter.RawValue) {
	order, err := release.ParseOrder(kind, body.Payload().GetData())
	if err == nil {
		_, err = r.take(ctx, order)
	}
	if err != nil {
		workflow.GetLogger(ctx).Warn("order refused", "order", string(kind), "by", order.By, "reason", err.Error())
		r.state.Refuse(kind, order.By, err, workflow.Now(ctx))
		r.show(ctx)
	}
}

func (r *releaseRun) takeUpdate(ctx workflow.Context, kind release.OrderKind, body converter.RawValue) (release.OrderAnswer, error) {
	order, err := release.ParseOrder(kind, body.Payload().GetData())
	if err != nil {
		return release.OrderAnswer{}, refused(err)
	}
	effect, err := r.take(ctx, order)
	if err != nil {
		return release.OrderAnswer{}, refused(err)
	}
	return release.OrderAnswer{Effect: effect, Phase: r.state.Phase}, nil
}

// take applies an order to the state and wakes what waits for it.
func (r *releaseRun) take(ctx workflow.Context, order release.Order) (string, error) {
	effect, err := r.state.TakeOrder(order, workflow.Now(ctx))
	if err != nil {
		return "", err
	}
	switch order.Kind {
	case release.OrderExtendSoak, release.OrderFinishSoak, release.OrderOverride:
		r.epoch++
	}
	if r.state.Leaving() {
		r.cancelForward()
	}
	r.show(ctx)
	return effect, nil
}

// refused makes a refusal of an order an error that the caller gets as it is.
func refused(err error) error {
	if err == nil {
		return nil
	}
	return temporal.NewNonRetryableApplicationError(err.Error(), "OrderRefused", nil)
}
