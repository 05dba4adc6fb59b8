// What the live page asks for, and what it is told: a text that goes on token by token, as it is and with edits.
//
// A request is a JSON object:
//
//   {"prompt": "Anna gave the ball to", "max_tokens": 40, "chat": false,
//    "temperature": 0, "top_k": 0, "top_p": 1, "seed": 0,
//    "edits": [{"name": "model.layers.2.self_attn.context", "head": 1, "token": null, "number": null,
//               "factor": 0, "offset": 0}]}
//
// Only the prompt has to be there. The answer is one JSON object a line: the prompt's tokens, then each new token with
// its probability and the likeliest others, then why it ended:
//
//   {"prompt": [{"token": 2, "piece": "<bos>"}, …]}
//   {"token": 526, "piece": "▁Tom", "text": " Tom", "probability": 0.97, "likeliest": [{"token": 526, …}, …]}
//   {"stop": "stop_token", "text": ""}      or, where edits made logits that are no numbers: {"error": "..."}
//
// The reasons to stop: stop_token, max_tokens, context_full, asked, and what the caller says (see Ended).
#pragma once

#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/sampler.hpp"
#include "gemma/text/tokenizer.hpp"
#include "gemma/trace/editor.hpp"

#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace viz {

struct LiveRequest {
    std::string prompt;
    bool chat = false;  // the prompt is a user's turn, and the model answers it
    gemma::GenerateOptions generation = {};
    gemma::SamplerOptions sampling = {};
    std::vector<gemma::Edit> edits = {};
};

constexpr std::size_t most_edits = 32;

/// Reads a request. Throws an Error for what is no such object: another type, an unknown member, a number out of range.
LiveRequest parse_live_request(const std::string& json);

/// The tokens of the request's prompt. Throws an Error when they are over the model's context, and when the text is
/// not UTF-8.
std::vector<int> prompt_tokens(const LiveRequest& request, const gemma::Model& model,
                               const gemma::Tokenizer& tokenizer);

/// Throws an Error for an edit that fits no tensor of the model.
void check_edits(const std::vector<gemma::Edit>& edits, const gemma::Model& model);

/// Takes one line of the answer; false asks to stop.
using OnLine = std::function<bool(const std::string& line)>;

/// Why computing must end, or null where it may go on; asked at every tensor that is computed.
using Ended = std::function<const char*()>;

/// Answers a request whose edits were checked. When `ended` has a reason, that is why the answer stops.
void answer(const LiveRequest& request, const gemma::Model& model, const gemma::Tokenizer& tokenizer,
            const OnLine& on_line, const Ended& ended = {});

/// What the page asks for to open every step: the tokens' forward pass, with edits.
///
///   {"tokens": [2, 485, 456], "prompt_tokens": 3, "edits": []}
struct PageRequest {
    std::vector<int> tokens;
    std::size_t prompt_tokens = 0;  // the first of them that were prompt; the rest was generated
    std::vector<gemma::Edit> edits = {};
};

/// Reads such a request. Throws an Error for what is none.
PageRequest parse_page_request(const std::string& json);

/// A page that was not made because `ended` had a reason.
struct Interrupted : std::exception {
    explicit Interrupted(const char* why) : reason(why) {}
    const char* what() const noexcept override { return reason; }

    const char* reason;
};

/// The trace of the tokens as a page. Throws an Error for tokens that the model does not take, for an edit that does
/// not fit, and, as soon as it is, for a trace over the limit of a page; throws Interrupted when `ended` has a reason.
std::string trace_page(const PageRequest& request, const std::string& model_name, const gemma::Model& model,
                       const gemma::Tokenizer& tokenizer, const Ended& ended = {});

/// The live page itself.
std::string live_page();

}  // namespace viz
