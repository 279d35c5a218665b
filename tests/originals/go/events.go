// Package events stands in for github.com/aws/aws-lambda-go/events: the fields that the original program reads and
// writes, under the names that Lambda gives them.
package events

type APIGatewayProxyRequest struct {
	Path            string            `json:"path"`
	HTTPMethod      string            `json:"httpMethod"`
	Headers         map[string]string `json:"headers"`
	Body            string            `json:"body"`
	IsBase64Encoded bool              `json:"isBase64Encoded,omitempty"`
}

type APIGatewayProxyResponse struct {
	StatusCode int    `json:"statusCode"`
	Body       string `json:"body"`
}
