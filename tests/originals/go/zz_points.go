// Beside the original program's own files: the data points of the case, where it names some.
package main

import (
	"context"
	"errors"

	"github.com/aws/aws-lambda-go/lambda"
)

type points struct{ own IntdashAPI }

func (p points) FetchFloat64DataPoints(ctx context.Context, measurement string) ([]float64, error) {
	switch {
	case lambda.Current.ReadingFails:
		return nil, errors.New("intdash does not answer")
	case lambda.Current.Points != nil:
		return lambda.Current.Points, nil
	}
	return p.own.FetchFloat64DataPoints(ctx, measurement)
}

// Runs after main.go's own: files of a package are initialised in the order of their names.
func init() { handler.IntdashAPI = points{handler.IntdashAPI} }
