// Runs the program as a user does: exit codes, what it prints, what it leaves behind.
#include "gemma/trace/trace_file.hpp"
#include "tests/support/program.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/support/tiny_model.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

using namespace gemma;
using namespace gemma::program;

namespace {

std::string last_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
}

// A copy of a trace in which one number of one tensor is another.
void write_changed(const std::filesystem::path& from, const std::filesystem::path& to, const std::string& changed) {
    class Changed : public Record {
    public:
        Changed(const Record& record, std::string name) : record_(record), name_(std::move(name)) {}
        std::vector<std::string> names() const override { return record_.names(); }
        gemma::Shape shape(const std::string& name) const override { return record_.shape(name); }
        RecordedTensor tensor(const std::string& name) const override {
            RecordedTensor tensor = record_.tensor(name);
            if (name == name_) tensor.numbers[1] += 100.0f;
            return tensor;
        }
        TokenRange range() const override { return record_.range(); }

    private:
        const Record& record_;
        std::string name_;
    };
    const TraceFile trace(from);
    write_trace(to, Changed(trace, changed), trace.header());
}

}  // namespace

TEST_CASE("gemma: a wrong command line is exit code 2, help and version are 0") {
    const TemporaryDirectory folder;
    check_error("", folder, "");
    check_error("nothing-known", folder, "");
    check_error("trace --nothing-known", folder, "");
    const Run help = run("--help", folder.path());
    CHECK(help.code == 0);
    CHECK(help.err == "");
    CHECK(contains(help.out, "gemma trace"));
    const Run version = run("--version", folder.path());
    CHECK(version.code == 0);
    CHECK(version.out.rfind("gemma ", 0) == 0);
}

TEST_CASE("gemma: the help of each subcommand has an example") {
    const TemporaryDirectory folder;
    for (const std::string command :
         {"generate", "chat", "trace", "lens", "show", "view", "compare", "inspect", "random"}) {
        CAPTURE(command);
        const Run help = run(command + " --help", folder.path());
        CHECK(help.code == 0);
        CHECK(contains(help.out, "Usage: gemma " + command));
        CHECK(contains(help.out, "\n  gemma " + command));  // an example
    }
}

TEST_CASE("gemma trace writes a trace file and says what is in it") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const Run all = run("trace --model tiny --tokens 2,5,7 --out all.safetensors", folder.path());
    CHECK(all.err == "");
    REQUIRE(all.code == 0);
    CHECK(contains(all.out, "all.safetensors"));
    const TraceFile trace(folder / "all.safetensors");
    CHECK(trace.header().tokens == std::vector<int>{2, 5, 7});
    CHECK(trace.header().model == "tiny");
    CHECK(trace.header().precision == "float32");
    CHECK(trace.names().size() == 2 + 3 * 22 + 3 + 1);
    CHECK(trace.shape("lm_head") == Shape{3, tiny_config().vocab_size});
    CHECK(folder.entries() == 2);
    CHECK(contains(all.out, "\n      2       7\n"));  // without a tokenizer a token has no text, and no room for one

    const Run part =
        run("trace --model tiny/ --tokens 2,5,7 --names 'model.layers.1.*' lm_head --range 1:3 --out part.safetensors",
            folder.path());
    REQUIRE(part.code == 0);
    const TraceFile some(folder / "part.safetensors");
    CHECK(some.names().size() == 21 + 1);
    CHECK(some.header().model == "tiny");
    CHECK(some.shape("lm_head")[0] == 2);
    const std::vector<float> rows = trace.tensor("lm_head").numbers;
    CHECK(some.tensor("lm_head").numbers ==
          std::vector<float>(rows.begin() + static_cast<std::ptrdiff_t>(tiny_config().vocab_size), rows.end()));
}

TEST_CASE("gemma trace: a prompt is read with one bos by the model that comes with the program") {
    const TemporaryDirectory folder;
    const Run result = run("trace --prompt 'Once upon a time' --names lm_head --out t.safetensors", folder.path());
    REQUIRE(result.code == 0);
    const TraceFile trace(folder / "t.safetensors");
    CHECK(trace.header().prompt == "Once upon a time");
    REQUIRE(trace.header().tokens.size() > 1);
    CHECK(trace.header().tokens[0] == 2);
    CHECK(trace.header().tokens[1] != 2);
    CHECK(contains(result.out, "Once"));
}

TEST_CASE("gemma trace --generate: the record covers the tokens that follow") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5,9 --generate 4 --out on.safetensors", folder.path()).code == 0);
    const TraceFile on(folder / "on.safetensors");
    CHECK(on.header().prompt_tokens == 3);
    const std::vector<int> tokens = on.header().tokens;
    REQUIRE(tokens.size() == 7);
    CHECK(on.shape("lm_head") == Shape{5, tiny_config().vocab_size});
    CHECK(on.shape("model.layers.0.self_attn.probs") == Shape{tiny_config().num_attention_heads, 7, 7});

    // One pass over all these tokens computes the same numbers, and they are the greedy choice.
    std::string list;
    for (const int token : tokens) list += (list.empty() ? "" : ",") + std::to_string(token);
    REQUIRE(run("trace --model tiny --tokens " + list + " --out all.safetensors", folder.path()).code == 0);
    const TraceFile all(folder / "all.safetensors");
    const std::vector<float> norms = on.tensor("model.norm").numbers, expected = all.tensor("model.norm").numbers;
    REQUIRE(norms.size() == expected.size());
    for (std::size_t i = 0; i < norms.size(); ++i) CHECK(norms[i] == doctest::Approx(expected[i]).epsilon(1e-4));
    const std::vector<float> logits = all.tensor("lm_head").numbers;
    for (std::size_t t = 2; t + 1 < tokens.size(); ++t) {
        const auto row = logits.begin() + static_cast<std::ptrdiff_t>(t * tiny_config().vocab_size);
        CHECK(std::max_element(row, row + tiny_config().vocab_size) - row == tokens[t + 1]);
    }

    check_error("trace --model tiny --tokens 2,5 --generate 63 --out t.safetensors", folder, "at most 64");
    check_error("trace --model tiny --tokens 2,5 --generate -1 --out t.safetensors", folder, "--generate");
    check_error("trace --model tiny --tokens 2,5 --generate 2 --range 0:5 --out t.safetensors", folder, "4 tokens");
}

TEST_CASE("gemma diagnose: a text names the mistake that wrote it, or says that nothing is found") {
    const TemporaryDirectory folder;
    const std::string text = "--prompt \"Once upon a time\" --text \", Zoe. Zoe had a little puppy\"";
    CHECK(contains(run("diagnose --help", folder.path()).out, "gemma diagnose " + text));
    const Run found = run("diagnose " + text, folder.path());
    CHECK(found.code == 1);
    CHECK(last_line(found.out) == "closest: rope-backwards");
    const Run nothing = run("diagnose --prompt 'Once upon a time' --text ' there was a little girl'", folder.path());
    CHECK(nothing.code == 1);
    CHECK(last_line(nothing.out) ==
          "nothing found: neither the model nor any of the mistakes begins the text with its first token");
    const Run clean = run("diagnose --prompt 'Once upon a time' --text ', there was a girl'", folder.path());
    CHECK(clean.code == 0);
    CHECK(last_line(clean.out) == "no mistake needed: the model says this text");
}

TEST_CASE("gemma chat: a word behind a slash is no message") {
    const TemporaryDirectory folder;
    write_file(folder / "help", "/help\n");
    check_error("chat < help", folder, "found /help, expected a message, /new (a new conversation) or /quit");
    write_file(folder / "quit", "/new\n/quit\n");
    CHECK(run("chat < quit", folder.path()).code == 0);
    write_file(folder / "message", "/ is a slash.\n");
    CHECK(run("chat --max-tokens 1 < message", folder.path()).code == 0);
}

TEST_CASE("gemma view writes a page") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5,7 --out a.safetensors", folder.path()).code == 0);
    REQUIRE(run("trace --model tiny --tokens 2,5,8 --out b.safetensors", folder.path()).code == 0);
    const Run alone = run("view a.safetensors --out alone.html", folder.path());
    CHECK(alone.code == 0);
    CHECK(contains(alone.out, "model    none"));
    CHECK(contains(read_file(folder / "alone.html"), "\"lens\":null"));
    const Run beside = run("view a.safetensors a.safetensors --model tiny --out beside.html", folder.path());
    CHECK(beside.code == 0);
    CHECK(!contains(read_file(folder / "beside.html"), "\"lens\":null"));
    CHECK(!contains(read_file(folder / "beside.html"), "\"other\":null"));

    check_error("view a.safetensors", folder, "--out");
    check_error("view absent.safetensors --out p.html", folder, "absent.safetensors");
    check_error("view a.safetensors b.safetensors --out p.html", folder, "token 2 is 7 and 8");
    check_error("view a.safetensors --model absent --out p.html", folder, "absent");
    check_error("view a.safetensors --out no/p.html", folder, "no/p.html");
    write_file(folder / "x.safetensors", "no tensors");
    check_error("view x.safetensors --out p.html", folder, "x.safetensors");
}

TEST_CASE("gemma view: a model that the trace is not of is an error") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --prompt 'Once upon a time' --names model.norm --out t.safetensors", folder.path()).code == 0);
    check_error("view t.safetensors --model tiny --out p.html", folder, "--model tiny: ");
}

TEST_CASE("gemma view: the small model's traces have texts by themselves") {
    const TemporaryDirectory folder;
    REQUIRE(run("trace --prompt 'Once upon a time' --names lm_head --out t.safetensors", folder.path()).code == 0);
    REQUIRE(run("view t.safetensors --out p.html", folder.path()).code == 0);
    CHECK(contains(read_file(folder / "p.html"), "\"pieces\":[\"\\u003cbos>\""));
}

TEST_CASE("gemma trace: bad input leaves no file") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const std::string start = "trace --model tiny --out t.safetensors ";
    check_error(start, folder, "--prompt");
    check_error("trace --model tiny --tokens 2", folder, "--out");
    check_error(start + "--tokens 2,120", folder, "token 1 is 120, expected 0 to 119");
    check_error(start + "--tokens 2,,5", folder, "--tokens: found \"\" in \"2,,5\"");
    check_error(start + "--tokens 2,x", folder, "--tokens: found \"x\" in \"2,x\"");
    check_error(start + "--tokens 2,-1", folder, "--tokens: found \"-1\"");
    check_error(start + "--tokens 2,5,", folder, "--tokens: found \"\"");
    check_error(start + "--tokens ''", folder, "--tokens");
    check_error(start + "--tokens 99999999999", folder, "--tokens: found \"99999999999\"");
    check_error(start + "--tokens 2 --prompt x", folder, "--");
    check_error(start + "--prompt x", folder, "tokenizer.model");
    check_error(start + "--tokens 2,5 --range 1:1", folder, "--range: found \"1:1\"");
    check_error(start + "--tokens 2,5 --range 1:3", folder, "--range: found 1:3, expected a range within the 2 tokens");
    check_error(start + "--tokens 2,5 --range x", folder, "--range: found \"x\"");
    check_error(start + "--tokens 2,5 --names lm_head 'mlp.*'", folder, "--names: no tensor fits \"mlp.*\"");
    check_error("trace --model tiny --tokens 2 --out no/t.safetensors", folder, "no/t.safetensors");
    check_error("trace --model tiny --tokens 2 --out tiny", folder, "tiny");
    check_error("trace --model absent --tokens 2 --out t.safetensors", folder, "absent");
    std::string tokens = "2";
    for (int i = 0; i < 64; ++i) tokens += ",5";
    check_error(start + "--tokens " + tokens, folder, "--tokens: found 65 tokens, expected at most 64");
}

TEST_CASE("gemma trace: a run that fails leaves an older file as it was") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    write_file(folder / "t.safetensors", "older");
    check_error("trace --model tiny --tokens 2,120 --out t.safetensors", folder, "token 1 is 120");
    CHECK(read_file(folder / "t.safetensors") == "older");
}

TEST_CASE("gemma compare: the same, different, and where") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5,7 --out a.safetensors", folder.path()).code == 0);
    const std::string changed = "model.layers.1.mlp.up_proj";
    write_changed(folder / "a.safetensors", folder / "b.safetensors", changed);

    const Run same = run("compare a.safetensors a.safetensors", folder.path());
    CHECK(same.code == 0);
    CHECK(same.err == "");
    CHECK(contains(same.out, "72 within tolerance, 0 differ\n"));
    CHECK(contains(last_line(same.out), "the same"));
    CHECK_FALSE(contains(same.out, "\033"));  // no colours in a pipe

    const Run different = run("compare a.safetensors b.safetensors", folder.path());
    CHECK(different.code == 1);
    CHECK(different.err == "");
    CHECK(contains(different.out, "71 within tolerance, 1 differ\n"));
    CHECK(last_line(different.out).rfind("first to diverge: " + changed + ", at [0, 1]: ", 0) == 0);
    CHECK(contains(different.out, "model.layers.1.mlp.gated "));
    CHECK_FALSE(contains(different.out, "lm_head "));  // long after the first divergence
    CHECK(contains(different.out, "--all"));

    const Run all = run("compare a.safetensors b.safetensors --all", folder.path());
    CHECK(all.code == 1);
    CHECK(contains(all.out, "lm_head "));

    CHECK(run("compare a.safetensors b.safetensors --tolerance 1000", folder.path()).code == 0);
}

TEST_CASE("gemma compare: a part with the whole, and other tokens") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5,7 --out a.safetensors", folder.path()).code == 0);
    REQUIRE(run("trace --model tiny --tokens 2,5,7 --names lm_head --out b.safetensors", folder.path()).code == 0);
    REQUIRE(run("trace --model tiny --tokens 2,6,7 --out c.safetensors", folder.path()).code == 0);

    const Run part = run("compare a.safetensors b.safetensors", folder.path());
    CHECK(part.code == 0);
    CHECK(contains(part.out, "1 within tolerance, 0 differ, 71 only in a.safetensors\n"));
    CHECK_FALSE(contains(part.out, "model.norm"));
    CHECK(contains(run("compare a.safetensors b.safetensors --all", folder.path()).out, "model.norm"));

    const Run as_json = run("compare a.safetensors c.safetensors --json", folder.path());
    CHECK(as_json.code == 1);
    const nlohmann::json parted = nlohmann::json::parse(as_json.out);
    CHECK(parted["same"] == false);
    CHECK(parted["first"].is_null());
    CHECK(parted["verdict"] == "the tokens differ: token 1 is 5 and 6");
    CHECK(parted["tensors"] == nlohmann::json::array());
    const nlohmann::json whole =
        nlohmann::json::parse(run("compare a.safetensors b.safetensors --json", folder.path()).out);
    CHECK(whole["same"] == true);
    for (const auto& [key, value] : whole.items()) CHECK(parted.contains(key));
    CHECK(parted.size() == whole.size());

    const Run tokens = run("compare a.safetensors c.safetensors", folder.path());
    CHECK(tokens.code == 1);
    CHECK(last_line(tokens.out) == "first to diverge: the tokens differ: token 1 is 5 and 6");
}

TEST_CASE("gemma compare: bad input") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5 --names lm_head --out a.safetensors", folder.path()).code == 0);
    REQUIRE(run("trace --model tiny --tokens 2,5 --names model.norm --out b.safetensors", folder.path()).code == 0);
    write_file(folder / "text", "no tensors at all");
    check_error("compare a.safetensors", folder, "");
    check_error("compare a.safetensors absent.safetensors", folder, "absent.safetensors");
    check_error("compare text a.safetensors", folder, "text");
    check_error("compare a.safetensors a.safetensors --tolerance x", folder, "--tolerance");
    check_error("compare a.safetensors a.safetensors --tolerance nan", folder, "--tolerance");
    check_error("compare a.safetensors a.safetensors --tolerance -1", folder, "--tolerance");
    check_error("compare a.safetensors tiny", folder, "tiny");
    check_error("compare a.safetensors b.safetensors", folder, "no tensor name in common");
}

TEST_CASE("gemma show: a list of the tensors, and one of them in shades and numbers") {
    const TemporaryDirectory folder;
    REQUIRE(run("trace --prompt 'Once upon a time' --out t.safetensors", folder.path()).code == 0);
    const TraceFile trace(folder / "t.safetensors");

    const Run list = run("show t.safetensors", folder.path());
    CHECK(list.err == "");
    REQUIRE(list.code == 0);
    for (const std::string& name : trace.names()) CHECK(contains(list.out, "\n" + name + " "));
    CHECK(contains(list.out, to_string(trace.shape("lm_head"))));
    CHECK_FALSE(contains(list.out, "\033"));  // no colours in a pipe

    const std::string probs = "model.layers.0.self_attn.probs";
    const std::size_t heads = trace.shape(probs)[0], tokens = trace.shape(probs)[1];
    const Run one = run("show t.safetensors " + probs + " --head 1", folder.path());
    REQUIRE(one.code == 0);
    CHECK(contains(one.out, "head 1 of " + std::to_string(heads)));
    CHECK(contains(one.out, "0 <bos>"));
    CHECK(contains(one.out, fmt::format("{:.3f}", trace.tensor(probs).numbers[(tokens + 1) * tokens])));

    // The largest logits of a token, and its text.
    const std::vector<float> logits = trace.tensor("lm_head").numbers;
    const std::size_t vocabulary = trace.shape("lm_head")[1];
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(2 * vocabulary);
    const auto best = std::max_element(row, row + static_cast<std::ptrdiff_t>(vocabulary));
    const Run last = run("show t.safetensors lm_head --token 2", folder.path());
    REQUIRE(last.code == 0);
    CHECK(contains(last.out, fmt::format("\n{:>7}  {:>6}  ", best - row, fmt::format("{:.4g}", *best))));

    CHECK(run("show t.safetensors model.norm.mean_square", folder.path()).code == 0);
    CHECK(run("show t.safetensors model.layers.0.self_attn.q_rope --token 1", folder.path()).code == 0);
}

TEST_CASE("gemma show: the tokens are ids, with their texts where a tokenizer is known") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5,90 --names lm_head --out ids.safetensors", folder.path()).code == 0);
    const Run ids = run("show ids.safetensors tokens", folder.path());
    CHECK(ids.code == 0);
    CHECK(contains(ids.out, "place  id\n"));
    CHECK(contains(ids.out, "    2  90\n"));
    REQUIRE(run("trace --prompt 'Once' --names lm_head --out texts.safetensors", folder.path()).code == 0);
    CHECK(contains(run("show texts.safetensors tokens", folder.path()).out, "    0    2  <bos>\n"));
}

TEST_CASE("gemma show: each column of the list has its rule") {
    const TemporaryDirectory folder;
    REQUIRE(run("trace --prompt 'Once' --names model.norm --out t.safetensors", folder.path()).code == 0);
    const std::string list = run("show t.safetensors", folder.path()).out;
    std::string rule;
    for (int i = 0; i < 24; ++i) rule += "─";
    CHECK(contains(list, "row of the last token\n"));
    CHECK(contains(list, "  " + rule + "\n"));
}

TEST_CASE("gemma show: rows of a part of a run and of generated logits keep their places") {
    const TemporaryDirectory folder;
    REQUIRE(
        run("trace --prompt 'Once upon a time' --range 2:4 --names model.norm --out part.safetensors", folder.path())
            .code == 0);
    CHECK(contains(run("show part.safetensors model.norm", folder.path()).out, "\n3 "));
    check_error("show part.safetensors model.norm --token 1", folder,
                "--token: found 1, expected 2 to 3, the tokens of model.norm");
    REQUIRE(run("trace --prompt 'Once upon a time' --generate 3 --names lm_head --out more.safetensors", folder.path())
                .code == 0);
    const TraceFile more(folder / "more.safetensors");
    const std::size_t first = more.header().prompt_tokens - 1;
    CHECK(run("show more.safetensors lm_head --token " + std::to_string(first), folder.path()).code == 0);
    check_error("show more.safetensors lm_head --token " + std::to_string(first - 1), folder, "--token: found");
}

TEST_CASE("gemma show: bad input") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    REQUIRE(run("trace --model tiny --tokens 2,5 --out t.safetensors", folder.path()).code == 0);
    write_file(folder / "text", "no tensors at all");
    check_error("show", folder, "");
    check_error("show absent.safetensors", folder, "absent.safetensors");
    check_error("show text", folder, "text");
    check_error("show t.safetensors nothing", folder,
                "t.safetensors: found no tensor \"nothing\", expected one that gemma show t.safetensors lists");
    check_error("show t.safetensors tokens --token 1", folder, "--token: found it with tokens");
    check_error("show t.safetensors model.norm --head 0", folder, "--head: found 0, but model.norm");
    check_error("show t.safetensors model.norm --token 2", folder, "--token: found 2, expected 0 to 1");
    check_error("show t.safetensors --head 1", folder, "--head: found 1 without the name of a tensor");
    check_error("show t.safetensors lm_head --token -1", folder, "--token");
    check_error("show t.safetensors lm_head --model tiny", folder, "tokenizer.model");
    // Without a tokenizer the tokens are numbers.
    CHECK(run("show t.safetensors model.norm", folder.path()).code == 0);
}
