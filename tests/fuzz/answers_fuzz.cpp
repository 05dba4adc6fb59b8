// Requests to `gemma serve`, answered: what lies between the bodies and the socket. The first letter says whether the
// rest asks for a text or for a page. The model is tiny, its tokenizer too.
#include "tests/fuzz/memory_file.hpp"
#include "tests/fuzz/target.hpp"
#include "tests/fuzz/tokenizer_model.hpp"
#include "tests/support/tiny_model.hpp"
#include "viz/live.hpp"

#include <nlohmann/json.hpp>

namespace {

using namespace gemma;

struct Served {
    Served() : tokenizer(file.with(fuzz::good_tokenizer())), model(tiny_model(config(), 1)) {}

    Config config() const {
        Config config = tiny_config();
        config.vocab_size = tokenizer.vocab_size();
        config.num_hidden_layers = 1;
        config.max_position_embeddings = 24;
        return config;
    }

    fuzz::MemoryFile file;
    Tokenizer tokenizer;
    Model model;
};

void read(const std::string& input) {
    static const Served served;
    if (input.empty()) return;
    const std::string body = input.substr(1);
    fuzz::taken([&] {
        if (input[0] != 'g') {
            viz::trace_page(viz::parse_page_request(body), "tiny", served.model, served.tokenizer);
            return;
        }
        const viz::LiveRequest request = viz::parse_live_request(body);
        viz::prompt_tokens(request, served.model, served.tokenizer);
        viz::check_edits(request.edits, served.model);
        std::size_t lines = 0;
        bool ended = false;
        viz::answer(request, served.model, served.tokenizer, [&](const std::string& line) {
            const nlohmann::json object = nlohmann::json::parse(line);  // throws where it is none
            fuzz::require(!ended && line.find('\n') == line.npos, "an answer is lines, and the last one is an end");
            ended = object.count("stop") + object.count("error") > 0;
            return ++lines < 20;
        });
        fuzz::require(ended, "an answer has an end");
    });
}

std::vector<std::string> seeds() {
    return {R"(g{"prompt":"the tea","max_tokens":6,"temperature":0.5,"top_k":3,"top_p":0.9,"seed":7})",
            R"(g{"prompt":"\u0000\ud83d\ude42<end_of_turn>","chat":true,"max_tokens":3})",
            R"(g{"prompt":"a","max_tokens":2,"edits":[{"name":"model.layers.0.self_attn.probs","head":1,"token":0,)"
            R"("factor":2}]})",
            R"(g{"prompt":"t","max_tokens":2,"edits":[{"name":"model.*","factor":1e6,"offset":-1e6}]})",
            R"(p{"tokens":[2,110,111],"prompt_tokens":2,"edits":[]})",
            R"(p{"tokens":[2,368],"edits":[{"name":"lm_head","number":300,"factor":0,"offset":5}]})",
            R"(p{"tokens":[2,369]})"};
}

const fuzz::Register target({"answers", read, seeds});

}  // namespace
