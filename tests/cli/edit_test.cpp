// gemma trace --ablate, --patch, --scale: what they change, what is said of it, and what is refused.
#include "gemma/dtype.hpp"
#include "gemma/trace/effect.hpp"
#include "gemma/trace/trace_file.hpp"
#include "tests/support/error_message.hpp"
#include "tests/support/program.hpp"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace gemma;
using namespace gemma::program;

namespace {

const std::string context = "model.layers.1.self_attn.context";

// The trace of `gemma trace ARGUMENTS`.
TraceFile trace_of(const std::string& arguments, const TemporaryDirectory& folder, const std::string& file) {
    const Run result = run("trace --model tiny " + arguments + " --out " + file, folder.path());
    CAPTURE(result.err);
    REQUIRE(result.code == 0);
    return TraceFile(folder / file);
}

std::vector<float> last_row(const TraceFile& trace, const std::string& name) {
    const RecordedTensor tensor = trace.tensor(name);
    return {tensor.numbers.end() - static_cast<std::ptrdiff_t>(tensor.shape.back()), tensor.numbers.end()};
}

// KL(p ‖ q) of two rows of logits, from its definition, in long double.
double divergence(const std::vector<float>& p, const std::vector<float>& q) {
    const auto normalizer = [](const std::vector<float>& logits) {
        long double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<long double>(x));
        return std::log(sum);
    };
    const long double zp = normalizer(p), zq = normalizer(q);
    long double sum = 0;
    for (std::size_t i = 0; i < p.size(); ++i) sum += std::exp(p[i] - zp) * ((p[i] - zp) - (q[i] - zq));
    return static_cast<double>(sum);
}

}  // namespace

TEST_CASE("the effect of an edit: closed forms") {
    // p = (1/2, 1/4, 1/4), q = (1/4, 1/2, 1/4): KL = 1/2 ln 2 - 1/4 ln 2.
    const float ln2 = std::log(2.0f);
    const Effect effect = effect_of({ln2, 0, 0}, {0, ln2, 0}, 1);
    CHECK(effect.divergence == doctest::Approx(0.25 * std::log(2.0)).epsilon(1e-6));
    REQUIRE(effect.likeliest.size() == 2);
    CHECK(effect.likeliest[0].token == 0);
    CHECK(effect.likeliest[0].clean_probability == doctest::Approx(0.5).epsilon(1e-6));
    CHECK(effect.likeliest[0].edited_probability == doctest::Approx(0.25).epsilon(1e-6));
    CHECK(effect.likeliest[1].token == 1);
    CHECK(effect_of({1, 2, 3}, {1, 2, 3}, 3).divergence == 0);
    // Logits that differ by the same number everywhere are the same distribution.
    CHECK(effect_of({1, 2, 3}, {11, 12, 13}, 3).divergence == doctest::Approx(0).scale(1).epsilon(1e-12));
    CHECK(effect_of({1, 2, 3}, {1, 2, 5}, 3).most_changed.token == 2);
    const float nan = std::numeric_limits<float>::quiet_NaN();
    CHECK(error_message([&] {
              effect_of({1, 2}, {1, nan}, 1);
          }) == "the edited run's logit of token 1 is nan, expected a finite number");
    CHECK(error_message([&] { effect_of({1, 2}, {1, 2, 3}, 1); }).find("[2]") != std::string::npos);
}

TEST_CASE("gemma trace --ablate: a head gives zeros, and only that one") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const TraceFile clean = trace_of("--tokens 2,5,7", folder, "clean.safetensors");
    const TraceFile edited = trace_of("--tokens 2,5,7 --ablate " + context + ":2", folder, "edited.safetensors");
    CHECK(clean.header().edits == "");
    CHECK(edited.header().edits == "--ablate " + context + ":2");
    const RecordedTensor before = clean.tensor(context), after = edited.tensor(context);
    const std::size_t H = before.shape[1], d = before.shape[2];
    for (std::size_t i = 0; i < before.numbers.size(); ++i) {
        CHECK(after.numbers[i] == (i / d % H == 2 ? 0.0f : before.numbers[i]));
    }
    CHECK(clean.tensor("lm_head").numbers != edited.tensor("lm_head").numbers);
    CHECK(clean.tensor("model.layers.0").numbers == edited.tensor("model.layers.0").numbers);
}

TEST_CASE("gemma trace with edits tells what they do to the next token") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const std::string scale = "--scale 'model.layers.*.mlp.down_proj=0.5' ";
    const std::vector<float> clean = last_row(trace_of("--tokens 2,5,7", folder, "a.safetensors"), "lm_head");
    const std::vector<float> edited = last_row(trace_of("--tokens 2,5,7 " + scale, folder, "b.safetensors"), "lm_head");

    const Run told = run("trace --model tiny --tokens 2,5,7 " + scale, folder.path());
    CHECK(told.err == "");
    REQUIRE(told.code == 0);
    CHECK(folder.entries() == 3);  // without --out nothing is written
    CHECK(contains(told.out, fmt::format("{}=0.5: {} tensors\n", "model.layers.*.mlp.down_proj",
                                         tiny_config().num_hidden_layers)));
    const double kl = divergence(clean, edited);
    CHECK(kl > 0);
    CHECK(contains(told.out, fmt::format("divergence      {:.3g} nats", kl)));

    const auto probability = [](const std::vector<float>& logits, std::size_t token) {
        double sum = 0;
        for (const float x : logits) sum += std::exp(static_cast<double>(x) - logits[token]);
        return 1 / sum;
    };
    const auto best = static_cast<std::size_t>(std::max_element(clean.begin(), clean.end()) - clean.begin());
    const auto other = static_cast<std::size_t>(std::max_element(edited.begin(), edited.end()) - edited.begin());
    for (const std::size_t token : {best, other}) {
        CHECK(contains(told.out, fmt::format("{:.2f} %", 100 * probability(clean, token))));
        CHECK(contains(told.out, fmt::format("{:.2f} %", 100 * probability(edited, token))));
        CHECK(contains(told.out, fmt::format("{:.3f}", clean[token])));
        CHECK(contains(told.out, fmt::format("{:.3f}", edited[token])));
    }
    std::size_t most = 0;
    for (std::size_t i = 0; i < clean.size(); ++i) {
        if (std::abs(edited[i] - clean[i]) > std::abs(edited[most] - clean[most])) most = i;
    }
    CHECK(contains(told.out, fmt::format("largest change  the logit of {}: from {:.3f} to {:.3f}\n", most, clean[most],
                                         edited[most])));
}

TEST_CASE("gemma trace --precision bfloat16 computes in bfloat16 and says so") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    CHECK(trace_of("--tokens 2,5,7", folder, "a.safetensors").header().precision == "float32");
    const TraceFile rounded = trace_of("--tokens 2,5,7 --precision bfloat16", folder, "b.safetensors");
    CHECK(rounded.header().precision == "bfloat16");
    for (const float number : rounded.tensor("model.layers.1").numbers) {
        CHECK(number == bfloat16_to_float(float_to_bfloat16(number)));
    }
    check_error("trace --model tiny --tokens 2 --precision half --out c.safetensors", folder, "--precision");
}

TEST_CASE("gemma trace --scale NAME=1 changes nothing") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const Run told = run("trace --model tiny --tokens 2,5,7 --scale '*=1'", folder.path());
    REQUIRE(told.code == 0);
    CHECK(contains(told.out, "divergence      0 nats"));
}

TEST_CASE("gemma trace --patch: the numbers of another run") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const TraceFile other = trace_of("--tokens 2,9,7", folder, "other.safetensors");
    const TraceFile clean = trace_of("--tokens 2,5,7", folder, "clean.safetensors");

    // The last layer of the other run: its logits.
    const TraceFile whole =
        trace_of("--tokens 2,5,7 --patch model.layers.2=other.safetensors", folder, "whole.safetensors");
    CHECK(whole.tensor("lm_head").numbers == other.tensor("lm_head").numbers);
    CHECK(whole.tensor("model.layers.1").numbers == clean.tensor("model.layers.1").numbers);

    // One token of one head.
    const TraceFile part =
        trace_of("--tokens 2,5,7 --patch " + context + ":3@1=other.safetensors", folder, "p.safetensors");
    const RecordedTensor from = other.tensor(context), to = clean.tensor(context), patched = part.tensor(context);
    const std::size_t H = from.shape[1], d = from.shape[2];
    for (std::size_t i = 0; i < from.numbers.size(); ++i) {
        const bool chosen = i / d / H == 1 && i / d % H == 3;
        CHECK(patched.numbers[i] == (chosen ? from.numbers[i] : to.numbers[i]));
    }

    // All of the other run, by a glob: the other run. Attention's heads come first in scores and probs.
    const TraceFile all = trace_of("--tokens 2,5,7 --patch '*.probs=other.safetensors' '*.v_proj=other.safetensors'",
                                   folder, "all.safetensors");
    CHECK(all.tensor("model.layers.0.self_attn.context").numbers ==
          other.tensor("model.layers.0.self_attn.context").numbers);
}

TEST_CASE("gemma trace --patch: one token of a text of another length, and of a part of a trace") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const TraceFile longer = trace_of("--tokens 2,9,7,11 --range 1:3", folder, "longer.safetensors");
    const TraceFile patched =
        trace_of("--tokens 2,5,7 --patch model.layers.1@2=longer.safetensors", folder, "patched.safetensors");
    const std::vector<float> row = last_row(patched, "model.layers.1");
    CHECK(row == last_row(longer, "model.layers.1"));  // its rows are tokens 1 and 2
    check_error("trace --model tiny --tokens 2,5,7 --patch model.layers.1@0=longer.safetensors", folder,
                "has tokens 1 to 2 of model.layers.1, found 0");
}

TEST_CASE("gemma trace --generate with edits: both texts") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    const Run told =
        run("trace --model tiny --tokens 2,5,7 --generate 4 --ablate model.layers.2 model.layers.1", folder.path());
    REQUIRE(told.code == 0);
    const TraceFile clean = trace_of("--tokens 2,5,7 --generate 4", folder, "clean.safetensors");
    const std::vector<int> tokens = clean.header().tokens;
    std::string list;
    for (std::size_t t = 3; t < tokens.size(); ++t) list += (list.empty() ? "" : ",") + std::to_string(tokens[t]);
    CHECK(contains(told.out, "clean text      " + list + "\n"));
    CHECK(contains(told.out, "edited text     "));

    // A patch acts on the tokens that its trace has: here on all of them, generated ones too.
    const Run same = run("trace --model tiny --tokens 2,5,7 --generate 4 --patch '*=clean.safetensors'", folder.path());
    REQUIRE(same.code == 0);
    CHECK(contains(same.out, "divergence      0 nats"));
    CHECK(contains(same.out, "edited text     " + list + "\n"));
}

TEST_CASE("gemma trace: edits that cannot be made") {
    const TemporaryDirectory folder;
    write_model(folder / "tiny");
    trace_of("--tokens 2,5,7", folder, "t.safetensors");
    trace_of("--tokens 2,5,7 --names model.norm", folder, "norm.safetensors");
    trace_of("--tokens 2,5", folder, "short.safetensors");
    write_file(folder / "text", "no tensors at all");
    const std::string start = "trace --model tiny --tokens 2,5,7 ";
    check_error("trace --model tiny --tokens 2,5,7", folder, "found neither --out nor an edit");
    check_error(start + "--ablate", folder, "--ablate");
    check_error(start + "--ablate mlp.*", folder, "--ablate mlp.*: no tensor fits \"mlp.*\"");
    check_error(start + "--ablate " + context + ":4", folder, "found head 4, expected 0 to 3, the heads of " + context);
    check_error(start + "--ablate model.layers.1.self_attn.k_proj:2", folder, "found head 2, expected 0 to 1");
    check_error(start + "--ablate model.norm:0", folder, "model.norm [3, 20] has no heads");
    check_error(start + "--ablate " + context + ":x", folder, "found head \"x\"");
    check_error(start + "--ablate " + context + "@3", folder, "found token 3, expected 0 to 2");
    check_error(start + "--ablate ''", folder, "found no name");
    check_error(start + "--ablate :1", folder, "found no name");
    check_error(start + "--scale model.norm", folder, "--scale model.norm: expected NAME=X");
    check_error(start + "--scale model.norm=half", folder, "found \"half\"");
    check_error(start + "--scale model.norm=nan", folder, "found \"nan\"");
    check_error(start + "--scale model.norm=", folder, "expected NAME=X");
    check_error(start + "--patch model.norm", folder, "expected NAME=FILE");
    check_error(start + "--patch model.norm=absent.safetensors", folder, "absent.safetensors");
    check_error(start + "--patch model.norm=text", folder, "text");
    check_error(start + "--patch model.layers.1=norm.safetensors", folder, "norm.safetensors has no tensor that fits");
    check_error(start + "--patch model.norm=short.safetensors", folder, "short.safetensors has 2 tokens, expected 3");
    check_error(start + "--patch model.norm=t.safetensors --out t.safetensors", folder,
                "t.safetensors is read by --patch model.norm=t.safetensors, expected another name");
    check_error(start + "--patch nothing=t.safetensors", folder, "no tensor fits \"nothing\"");
    check_error(start + "--ablate model.norm --names lm_head", folder, "--names without --out");
    check_error(start + "--ablate nothing --out o.safetensors", folder, "no tensor fits");

    // Another model's numbers.
    REQUIRE(run("trace --tokens 2,5,7 --out nano.safetensors", folder.path()).code == 0);
    check_error(start + "--patch model.norm=nano.safetensors", folder,
                "expected [3, 20], but for the number of tokens");
    // Logits that are no numbers.
    check_error(start + "--scale model.norm=1e30 --scale lm_head=1e30", folder, "expected a finite number");
}
