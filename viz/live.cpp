#include "viz/live.hpp"

#include "gemma/error.hpp"
#include "gemma/json.hpp"
#include "gemma/text/chat.hpp"
#include "gemma/text/text_stream.hpp"
#include "gemma/trace/recorder.hpp"
#include "viz/page.hpp"
#include "viz/page_template.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>

namespace viz {

namespace {

using gemma::fail;
using nlohmann::json;

constexpr std::size_t likeliest_shown = 10;
const char* const source = "the request";

void require_known(const json& object, const std::set<std::string>& known, const std::string& where) {
    for (const auto& [name, value] : object.items()) {
        if (known.count(name) == 0) fail("{}: found {}, which it does not have", where, gemma::excerpt(name));
    }
}

// A count; null and nothing are none.
std::optional<std::size_t> count(const json& object, const std::string& name, std::size_t most) {
    const json& value = gemma::member(object, name);
    if (value.is_null()) return std::nullopt;
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most) {
        fail("{}: {} is {}, expected a whole number from 0 to {}", source, name, gemma::excerpt(value), most);
    }
    return value.get<std::size_t>();
}

float number_member(const json& object, const std::string& name, float none) {
    const json& value = gemma::member(object, name);
    if (value.is_null()) return none;
    if (!value.is_number() || std::abs(value.get<double>()) > 1e6) {
        fail("{}: {} is {}, expected a number from -1e6 to 1e6", source, name, gemma::excerpt(value));
    }
    return value.get<float>();
}

gemma::Edit parse_edit(const json& value) {
    if (!value.is_object()) fail("{}: an edit is {}, expected an object", source, gemma::excerpt(value));
    require_known(value, {"name", "head", "token", "number", "factor", "offset"}, "an edit");
    const json& name = gemma::member(value, "name");
    if (!name.is_string()) fail("{}: an edit's name is {}, expected a text", source, gemma::excerpt(name));
    constexpr std::size_t any = std::numeric_limits<std::uint32_t>::max();
    gemma::Edit edit{name.get<std::string>(), count(value, "head", any), count(value, "token", any),
                     count(value, "number", any)};
    edit.factor = number_member(value, "factor", 0);
    edit.offset = number_member(value, "offset", 0);
    return edit;
}

std::vector<gemma::Edit> parse_edits(const json& value) {
    if (value.is_null()) return {};
    if (!value.is_array() || value.size() > most_edits) {
        fail("{}: edits is {}, expected a list of at most {}", source, gemma::excerpt(value), most_edits);
    }
    std::vector<gemma::Edit> edits;
    std::transform(value.begin(), value.end(), std::back_inserter(edits), parse_edit);
    return edits;
}

void go_on_unless(const Ended& ended) {
    const char* const reason = ended ? ended() : nullptr;
    if (reason != nullptr) throw Interrupted(reason);
}

// Keeps the last row of the logits.
class LastLogits : public gemma::Observer {
public:
    explicit LastLogits(const Ended& ended) : ended_(ended) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        go_on_unless(ended_);
        if (name != "lm_head") return;
        const std::size_t V = tensor.shape.back();
        row = gemma::Matrix::from_shape({1, V});
        std::copy_n(tensor.data + tensor.size() - V, V, row.begin());
    }

    gemma::Matrix row{};

private:
    const Ended& ended_;
};

// Records what fits on a page.
class PageRecorder : public gemma::Observer {
public:
    explicit PageRecorder(const Ended& ended) : ended_(ended) {}

    void observe(const std::string& name, const gemma::TensorView& tensor) override {
        go_on_unless(ended_);
        bytes_ += tensor.size() * sizeof(float);
        if (bytes_ > page_limit) {
            fail(
                "{}: found more than {} MB of numbers on the way to {}, the most that a page holds, expected fewer "
                "tokens",
                source, page_limit / 1000000, name);
        }
        record.observe(name, tensor);
    }

    gemma::Recorder record{};

private:
    const Ended& ended_;
    std::size_t bytes_ = 0;
};

json shown(int token, const gemma::Tokenizer& tokenizer) {
    const bool known = static_cast<std::size_t>(token) < tokenizer.vocab_size();  // a padded vocabulary has more
    return {{"token", token}, {"piece", known ? tokenizer.piece(token) : ""}};
}

// A new token: how likely the model found it and others, before temperature, top-k and top-p.
json shown(int token, const gemma::Matrix& logits, const gemma::Tokenizer& tokenizer) {
    gemma::SamplerOptions as_it_is;
    as_it_is.temperature = 1;
    const auto likeliest = gemma::next_token_distribution(logits, as_it_is);
    json line = shown(token, tokenizer);
    line["likeliest"] = json::array();
    for (std::size_t i = 0; i < std::min(likeliest_shown, likeliest.size()); ++i) {
        json other = shown(likeliest[i].token, tokenizer);
        other["probability"] = likeliest[i].probability;
        line["likeliest"].push_back(std::move(other));
    }
    const auto chosen =
        std::find_if(likeliest.begin(), likeliest.end(), [&](const auto& t) { return t.token == token; });
    line["probability"] = chosen == likeliest.end() ? 0.0f : chosen->probability;
    return line;
}

const char* name_of(gemma::Stop stop) {
    switch (stop) {
        case gemma::Stop::stop_token: return "stop_token";
        case gemma::Stop::max_tokens: return "max_tokens";
        case gemma::Stop::context_full: return "context_full";
        case gemma::Stop::asked: return "asked";
    }
    return "";
}

}  // namespace

LiveRequest parse_live_request(const std::string& text) {
    const json object = gemma::parse_json_object(text, source);
    require_known(object, {"prompt", "chat", "max_tokens", "temperature", "top_k", "top_p", "seed", "edits"}, source);
    LiveRequest request;
    const json& prompt = gemma::member(object, "prompt");
    if (!prompt.is_string()) fail("{}: prompt is {}, expected a text", source, gemma::excerpt(prompt));
    request.prompt = prompt.get<std::string>();
    const json& chat = gemma::member(object, "chat");
    if (!chat.is_null() && !chat.is_boolean()) {
        fail("{}: chat is {}, expected true or false", source, gemma::excerpt(chat));
    }
    request.chat = chat.is_boolean() && chat.get<bool>();
    request.generation.max_tokens = count(object, "max_tokens", 8192).value_or(64);
    request.sampling.temperature = number_member(object, "temperature", 0);
    request.sampling.top_k = count(object, "top_k", 1u << 20).value_or(0);
    request.sampling.top_p = number_member(object, "top_p", 1);
    request.sampling.seed = count(object, "seed", std::numeric_limits<std::uint32_t>::max()).value_or(0);
    request.edits = parse_edits(gemma::member(object, "edits"));
    const gemma::Sampler possible(request.sampling);  // throws for a temperature or a top-p that cannot be
    return request;
}

std::vector<int> prompt_tokens(const LiveRequest& request, const gemma::Model& model,
                               const gemma::Tokenizer& tokenizer) {
    const std::vector<int> tokens = request.chat ? gemma::user_turn(tokenizer, request.prompt, /*first=*/true)
                                                 : tokenizer.encode_prompt(request.prompt);
    const std::size_t context = model.config().max_position_embeddings;
    if (tokens.size() > context) {
        fail("{}: the prompt has {} tokens, expected at most {}, the model's context", source, tokens.size(), context);
    }
    return tokens;
}

void check_edits(const std::vector<gemma::Edit>& edits, const gemma::Model& model) {
    if (edits.empty()) return;
    gemma::Editor editor(edits);
    gemma::KVCache cache(model.config(), 1);
    model.forward({model.config().bos_token_id}, cache, gemma::Trace(editor));
    const std::vector<gemma::Edit> unused = editor.unused();
    if (!unused.empty()) fail("{}: no tensor fits the edit {}", source, gemma::excerpt(unused.front().name));
}

void answer(const LiveRequest& request, const gemma::Model& model, const gemma::Tokenizer& tokenizer,
            const OnLine& on_line, const Ended& ended) {
    const std::vector<int> prompt = prompt_tokens(request, model, tokenizer);
    LastLogits logits(ended);
    gemma::Editor editor(request.edits, &logits);
    gemma::Sampler sampler(request.sampling);
    gemma::TextStream text(tokenizer);
    const std::size_t room =
        std::min(model.config().max_position_embeddings, prompt.size() + request.generation.max_tokens);
    gemma::KVCache cache(model.config(), room);
    const auto on_token = [&](int token) {
        json line = shown(token, logits.row, tokenizer);
        line["text"] = text.add(token);
        return on_line(line.dump());
    };
    json first = {{"prompt", json::array()}};
    for (const int token : prompt) first["prompt"].push_back(shown(token, tokenizer));
    const auto asked = [&] {
        const char* const reason = ended ? ended() : nullptr;
        return reason != nullptr ? reason : name_of(gemma::Stop::asked);
    };
    const auto stop = [&](const char* reason) { on_line(json{{"stop", reason}, {"text", text.finish()}}.dump()); };
    if (!on_line(first.dump())) return stop(asked());
    try {
        const gemma::Stop ending =
            gemma::generate(model, cache, prompt, sampler, request.generation, on_token, gemma::Trace(editor)).stop;
        stop(ending == gemma::Stop::asked ? asked() : name_of(ending));
    } catch (const Interrupted& interrupted) {
        stop(interrupted.reason);
    } catch (const gemma::Error& error) {  // edits can make logits that are no numbers any more
        on_line(json{{"error", error.what()}}.dump());
    }
}

PageRequest parse_page_request(const std::string& text) {
    const json object = gemma::parse_json_object(text, source);
    require_known(object, {"tokens", "prompt_tokens", "edits"}, source);
    const json& tokens = gemma::member(object, "tokens");
    constexpr std::size_t largest = std::numeric_limits<std::int32_t>::max();
    const auto is_token = [](const json& id) { return id.is_number_unsigned() && id.get<std::uint64_t>() <= largest; };
    if (!tokens.is_array() || tokens.empty() || !std::all_of(tokens.begin(), tokens.end(), is_token)) {
        fail("{}: tokens is {}, expected a list of token ids", source, gemma::excerpt(tokens));
    }
    PageRequest request;
    request.tokens = tokens.get<std::vector<int>>();
    request.prompt_tokens = count(object, "prompt_tokens", request.tokens.size()).value_or(request.tokens.size());
    request.edits = parse_edits(gemma::member(object, "edits"));
    return request;
}

std::string trace_page(const PageRequest& request, const std::string& model_name, const gemma::Model& model,
                       const gemma::Tokenizer& tokenizer, const Ended& ended) {
    const std::size_t context = model.config().max_position_embeddings;
    if (request.tokens.size() > context) {
        fail("{}: found {} tokens, expected at most {}, the model's context", source, request.tokens.size(), context);
    }
    check_edits(request.edits, model);
    PageRecorder recorder(ended);
    gemma::Editor editor(request.edits, &recorder);
    gemma::KVCache cache(model.config(), request.tokens.size());
    model.forward(request.tokens, cache, gemma::Trace(editor));

    Page page;
    page.title = model_name + (request.edits.empty() ? "" : ", with edits");
    page.record = &recorder.record;
    page.header.model = model_name;
    page.header.prompt = tokenizer.decode({request.tokens.begin(), request.tokens.begin() + request.prompt_tokens});
    page.header.tokens = request.tokens;
    page.header.prompt_tokens = request.prompt_tokens;
    page.model = &model;
    page.tokenizer = &tokenizer;
    return to_html(page);
}

std::string live_page() {
    std::string text;
    const auto all_are_files = [](std::string_view, const Sink&) { return false; };
    write_template("live.html", all_are_files, [&](std::string_view part) { text += part; });
    return text;
}

}  // namespace viz
