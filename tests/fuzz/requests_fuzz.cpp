// The bodies of what is sent to `gemma serve`. The first letter says whether the rest asks for a text or for a page.
#include "tests/fuzz/target.hpp"
#include "viz/live.hpp"

#include <cmath>

namespace {

using namespace gemma;

void check_edits(const std::vector<Edit>& edits) {
    fuzz::require(edits.size() <= viz::most_edits, "edits are few");
    for (const Edit& edit : edits) {
        fuzz::require(std::isfinite(edit.factor) && std::isfinite(edit.offset), "edits are made of numbers");
    }
}

void read(const std::string& input) {
    if (input.empty()) return;
    const std::string body = input.substr(1);
    fuzz::taken([&] {
        if (input[0] == 'g') {
            const viz::LiveRequest request = viz::parse_live_request(body);
            fuzz::require(request.generation.max_tokens <= 8192,
                          "a request asks for no more tokens than a context has");
            check_edits(request.edits);
        } else {
            const viz::PageRequest request = viz::parse_page_request(body);
            fuzz::require(request.prompt_tokens <= request.tokens.size(), "a prompt is part of the tokens");
            for (const int token : request.tokens) fuzz::require(token >= 0, "token ids are not negative");
            check_edits(request.edits);
        }
    });
}

std::vector<std::string> seeds() {
    return {
        R"(g{"prompt":"Anna gave the ball to","max_tokens":40,"chat":false,"temperature":0.5,"top_k":3,"top_p":0.9,)"
        R"("seed":7,"edits":[{"name":"model.layers.2.self_attn.context","head":1,"token":null,"factor":0}]})",
        R"(g{"prompt":"\u0000\ud83d\ude42","edits":[{"name":"x","number":4294967295,"offset":-1e6}]})",
        R"(g{"prompt":1,"seed":-1})",
        R"(p{"tokens":[2,485,456],"prompt_tokens":3,"edits":[]})",
        R"(p{"tokens":[2147483648,-1,1e9]})",
        R"(p{"tokens":[]})"};
}

const fuzz::Register target({"requests", read, seeds});

}  // namespace
