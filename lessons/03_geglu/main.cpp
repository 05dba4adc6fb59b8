// Lesson 03: swapping a GLU's gate, what that was worth, and the MLP of Gemma, on a real sentence.

#include "gemma/components/geglu.hpp"
#include "gemma/components/gelu.hpp"
#include "gemma/model/config.hpp"
#include "gemma/model/parameters.hpp"
#include "gemma/trace/trace_file.hpp"
#include "lessons/03_geglu/siblings.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"
#include "lessons/steps.hpp"
#include "viz/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <tuple>
#include <vector>

namespace {

using gemma::Gate;
using gemma::Matrix;
using lesson::Lesson;
using lesson::shazeer;
using lesson::Sibling;
using lesson::siblings;
using viz::grouped;

// The prompt for which lesson 10 has what the official PyTorch model computed.
const char* const default_prompt = "Anna gave the ball to Tom. Now the ball belongs to";

double largest(const Matrix& m) {
    double size = 0.0;
    for (const float value : m) size = std::max(size, std::abs(static_cast<double>(value)));
    return size;
}

// max |a - b|, relative to max |a|.
double relative_difference(const Matrix& a, const Matrix& b) { return largest(a - b) / largest(a); }

Matrix matrix_of(const gemma::Record& record, const std::string& name) {
    const gemma::RecordedTensor tensor = record.tensor(name);
    Matrix matrix = Matrix::from_shape({tensor.shape[0], tensor.shape[1]});
    std::copy(tensor.numbers.begin(), tensor.numbers.end(), matrix.begin());
    return matrix;
}

// --- The siblings ----------------------------------------------------------------------------------------------------

void five_siblings(Lesson& lesson) {
    lesson.step("Five gates, side by side");
    std::string formulas;
    for (const Sibling& sibling : siblings) formulas += fmt::format("{:<10}{}\n", sibling.name, sibling.formula);
    lesson.formula("a is the gate's path, b the linear one:\n" + formulas);

    const Matrix a = {{-3.0f, -1.0f, 0.0f, 1.0f, 3.0f, 3.0f, -3.0f}};
    const Matrix b = {{1.0f, 1.0f, 1.0f, 1.0f, 1.0f, -2.0f, -2.0f}};
    viz::Table table{{"a", "b", "GLU", "bilinear", "ReGLU", "GEGLU", "SwiGLU"}, {}};
    std::vector<Matrix> gated;
    for (const Sibling& sibling : siblings) gated.push_back(gemma::gated_unit(a, b, sibling.gate));
    for (std::size_t f = 0; f < a.shape(1); ++f) {
        table.rows.push_back({fmt::format("{:.0f}", a(0, f)), fmt::format("{:.0f}", b(0, f))});
        for (const Matrix& y : gated)
            table.rows.back().push_back(fmt::format("{:.4f}", y(0, f) + 0.0f));  // + 0: no "-0"
    }
    lesson.table(table);
    lesson.notice(
        "σ stays between 0 and 1. The other four have no upper end: their \"gate\" also makes numbers larger. GEGLU "
        "and SwiGLU are nearly ReGLU, with a soft corner.");

    double worst = 0.0, slopes = 0.0;
    for (const Sibling& sibling : siblings) {
        for (float x = -5.03125f; x <= 5.0f; x += 0.0625f) {  // passes ReLU's corner without touching it
            const Matrix y = gemma::gated_unit({{x}}, {{2.0f}}, sibling.gate);
            worst = std::max(worst, std::abs(y(0, 0) - 2.0 * sibling.activation(x)));
            const double h = 1e-5;
            const gemma::GatedUnitSlopes found = gemma::gated_unit_derivative(x, 2.0f, sibling.gate);
            const double by_gate = 2.0 * (sibling.activation(x + h) - sibling.activation(x - h)) / (2.0 * h);
            slopes = std::max({slopes, std::abs(found.gate - by_gate), std::abs(found.up - sibling.activation(x))});
        }
    }
    lesson.check("the five gated units", worst, 2e-6, "double precision");
    lesson.check("their slopes by a and by b", slopes, 5e-6, "central differences");

    viz::Chart chart{"Five gates", {"a"}, {"what b is multiplied with", false, -1.0, 3.0}, {}};
    for (const Sibling& sibling : siblings) chart.series.push_back(viz::curve(sibling.name, -4, 4, sibling.activation));
    lesson.figure("gates", chart, "What b is multiplied with, for each of the five.");
}

void scaling(Lesson& lesson) {
    lesson.step("What happens to large inputs");
    lesson.text("Make a and b ten times as large. By how much does the product grow?");
    viz::Table table{{"a", "b", "GLU", "bilinear", "ReGLU", "GEGLU", "SwiGLU"}, {}};
    double worst = 0.0;
    for (const float a : {0.1f, 1.0f, 4.0f}) {
        table.rows.push_back({fmt::format("{:.1f}", a), "1.0"});
        for (const Sibling& sibling : siblings) {
            const float once = gemma::gated_unit({{a}}, {{1.0f}}, sibling.gate)(0, 0);
            const float tenfold = gemma::gated_unit({{10.0f * a}}, {{10.0f}}, sibling.gate)(0, 0);
            table.rows.back().push_back(fmt::format("×{:.1f}", tenfold / once));
            if (sibling.gate == Gate::identity || sibling.gate == Gate::relu)
                worst = std::max(worst, std::abs(tenfold / once - 100.0));
        }
    }
    lesson.table(table);
    lesson.notice(
        "GLU grows in step, once its gates are open. The others grow with the square: they multiply two numbers that "
        "both come from the input. A reason to have a norm in front of each MLP (lesson 07).");
    lesson.check("bilinear and ReGLU grow by 10² = 100", worst, 1e-3, "closed form");
}

// --- The paper's table -----------------------------------------------------------------------------------------------

void papers_table(Lesson& lesson) {
    lesson.step("What the gate was worth");
    lesson.text(
        "Shazeer (2020) trained the same Transformer (T5: encoder and decoder of 12 layers each, D = 768) with each "
        "MLP, at equal numbers of parameters, and measured the log-perplexity on held-out text:");
    viz::Table table{{"MLP", "matrices", "65,536 steps", "524,288 steps", "perplexity", "below ReLU"}, {}};
    viz::BarChart chart{"Less log-perplexity than ReLU after 524,288 steps (Shazeer 2020)", {"log-perplexity"}, {}};
    for (const lesson::Measured& row : shazeer) {
        const double gain = shazeer[0].late - row.late;
        table.rows.push_back({row.name, row.matrices, fmt::format("{:.3f}", row.early), fmt::format("{:.3f}", row.late),
                              fmt::format("{:.3f}", std::exp(row.late)), fmt::format("{:.3f}", gain)});
        if (&row != &shazeer[0]) chart.bars.push_back({row.name, gain});
    }
    lesson.table(table);
    const double bilinear = shazeer[0].late - shazeer[3].late, geglu = shazeer[0].late - shazeer.back().late;
    lesson.notice(fmt::format(
        "Every gated MLP beats both plain ones, and GEGLU is the best. {:.0f} % of its gain is there without any "
        "activation at all, in the bilinear product.",
        100.0 * bilinear / geglu));
    lesson.figure("paper", chart, "How much lower than ReLU's the log-perplexity is. Longer is better.");
}

// --- Parameters ------------------------------------------------------------------------------------------------------

// The parameters of layer 0's MLP, from the tensors that a checkpoint must have.
std::size_t mlp_of_a_layer(const gemma::Config& config) {
    std::size_t count = 0;
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        if (parameter.part == gemma::Part::mlp && parameter.info.name.find("layers.0.") != std::string::npos)
            count += gemma::element_count(parameter.info.shape);
    }
    return count;
}

double mlp_share(const gemma::Config& config) {
    std::size_t mlp = 0, all = 0;
    for (const gemma::Parameter& parameter : gemma::parameters(config)) {
        const std::size_t count = gemma::element_count(parameter.info.shape);
        all += count;
        if (parameter.part == gemma::Part::mlp) mlp += count;
    }
    return static_cast<double>(mlp) / static_cast<double>(all);
}

std::vector<std::string> size_row(const std::string& name, std::size_t D, std::size_t F, std::size_t matrices) {
    const std::size_t count = matrices * D * F, plain = 8 * D * D;
    return {name,
            std::to_string(D),
            std::to_string(F),
            fmt::format("{:.2f}", static_cast<double>(F) / D),
            std::to_string(matrices),
            grouped(count),
            fmt::format("{:.2f}", static_cast<double>(count) / plain)};
}

void two_thirds(Lesson& lesson) {
    lesson.step("Two thirds, and what Gemma does instead");
    lesson.text(
        "A gated MLP has three matrices where a plain one has two. To compare them fairly, make it narrower: F is 2/3 "
        "of the usual 4 D, and both have 8 D² parameters.");
    lesson.formula(
        "plain  x → F → D    2 · D · F,  F = 4 D          = 8 D²\n"
        "gated  x → 2 F → D  3 · D · F,  F = 2/3 · 4 D    = 8 D²\n"
        "Gemma               3 · D · F,  F = 8 D          = 24 D²");
    const gemma::Config small = gemma::gemma_2b(), large = gemma::gemma_7b(), own = lesson.model().config();
    viz::Table table{{"MLP", "D", "F", "F / D", "matrices", "parameters a layer", "of 8 D²"}, {}};
    table.rows = {size_row("Shazeer, plain", 768, 3072, 2), size_row("Shazeer, gated", 768, 2048, 3),
                  size_row("Gemma 2B", small.hidden_size, small.intermediate_size, 3),
                  size_row("Gemma 7B", large.hidden_size, large.intermediate_size, 3),
                  size_row("this model", own.hidden_size, own.intermediate_size, 3)};
    lesson.table(table);
    viz::Table report{{"", "report: feedforward hidden dims", "config.json: intermediate_size", "MLP's share"}, {}};
    for (const auto& [name, config, dims] :
         {std::tuple("Gemma 2B", small, 32768), std::tuple("Gemma 7B", large, 49152)}) {
        report.rows.push_back({name, std::to_string(dims), std::to_string(config.intermediate_size),
                               fmt::format("{:.1f} %", 100.0 * mlp_share(config))});
        lesson.check(fmt::format("{}: the report counts gate and up, 2 F", name),
                     2 * config.intermediate_size == static_cast<std::size_t>(dims), "Gemma report, table 1");
    }
    lesson.table(report);
    lesson.notice(
        "Gemma does not follow the 2/3 rule: its MLP has three times the parameters of a plain one with 4 D, and holds "
        "most of the model. The report counts the gate's and the linear path's F together.");
    lesson.check("2B: 100,663,296 parameters in a layer's MLP", mlp_of_a_layer(small) == 100663296, "published model");
    lesson.check("7B: 226,492,416 parameters in a layer's MLP", mlp_of_a_layer(large) == 226492416, "published model");
}

// --- The formula of the slides and the code of Gemma -----------------------------------------------------------------

void three_orders(Lesson& lesson) {
    lesson.step("Who is gated? Three ways to write it");
    lesson.formula(
        "slides   (X∗W + b) ⊗ GELU(X∗V + c)         Dauphin's order: the second factor is the gate\n"
        "Shazeer  GELU(xW + b) ⊗ (xV + c)           the first factor is the gate\n"
        "Gemma    down(gelu_tanh(gate(x)) ⊗ up(x))  named, without biases, k = 1");
    viz::Table table{{"", "slides", "Shazeer 2020", "Gemma"}, {}};
    table.rows = {{"goes through GELU", "V", "W", "gate_proj"},  {"linear path", "W", "V", "up_proj"},
                  {"back to D", "not shown", "W₂", "down_proj"}, {"biases", "b, c", "none in its MLPs", "none"},
                  {"∗", "convolution", "product", "product"},    {"GELU", "x Φ(x)", "x Φ(x)", "tanh form"}};
    lesson.table(table);
    const Matrix a = {{2.0f, -1.0f}}, b = {{-1.0f, 2.0f}};
    const Matrix one = gemma::gated_unit(a, b, Gate::gelu), other = gemma::gated_unit(b, a, Gate::gelu);
    lesson.line(fmt::format("gelu(a) ⊗ b for a = (2, -1), b = (-1, 2):  ({:.4f}, {:.4f})", one(0, 0), one(0, 1)));
    lesson.line(fmt::format("a ⊗ gelu(b):                               ({:.4f}, {:.4f})", other(0, 0), other(0, 1)));
    lesson.line("");
    lesson.notice("The product is the same in both orders; the GELU is not. With a checkpoint the names decide.");
}

// --- On a real sentence ----------------------------------------------------------------------------------------------

struct Run {
    std::vector<int> tokens;
    std::string mlp;  // the scope of the MLP that is looked at
    std::size_t layer;
};

Run forward_pass(Lesson& lesson, const std::string& prompt) {
    lesson.step("Gemma's MLP on a sentence");
    Run run;
    run.tokens = lesson.tokenizer().encode_prompt(prompt);
    run.layer = lesson.model().config().num_hidden_layers / 2;
    run.mlp = lesson::layer_name(run.layer) + ".mlp";
    gemma::KVCache cache(lesson.model().config(), run.tokens.size());
    lesson.model().forward(run.tokens, cache, lesson.trace());
    lesson.traced(prompt, run.tokens);

    const gemma::Config& config = lesson.model().config();
    lesson.text(fmt::format(
        "\"{}\", {} tokens. Layer {} of {}, the last token: D = {} numbers become F = {}, and D "
        "again. The first eight of the F:",
        prompt, run.tokens.size(), run.layer, config.num_hidden_layers, config.hidden_size, config.intermediate_size));
    viz::Table table{{"tensor", "f = 0", "1", "2", "3", "4", "5", "6", "7"}, {}};
    for (const char* const part : {"gate_proj", "act_fn", "up_proj", "gated", "down_proj"}) {
        const std::vector<float> row = lesson::last_row(lesson.recorder(), run.mlp + "." + part);
        table.rows.push_back({part});
        for (std::size_t f = 0; f < std::min<std::size_t>(8, row.size()); ++f)
            table.rows.back().push_back(fmt::format("{:.4f}", row[f]));
    }
    lesson.table(table);
    lesson.notice(
        "act_fn is gelu(gate_proj); gated is act_fn times up_proj; down_proj adds up all F of gated, weighted.");
    return run;
}

void gates_of_a_trained_model(Lesson& lesson) {
    lesson.step("Gates of a trained model");
    lesson.text(
        "Are its neuron inputs normal, as lesson 01 quotes? Over all tokens and all F numbers of gate_proj; a normal "
        "distribution has 4.6 % beyond two deviations from its mean:");
    viz::Table table{{"layer", "mean", "deviation", "below zero", "beyond 2 dev.", "|act_fn| < 0.05"}, {}};
    for (std::size_t i = 0; i < lesson.model().config().num_hidden_layers; ++i) {
        const std::string mlp = lesson::layer_name(i) + ".mlp.";
        const std::vector<float> gate = lesson.recorder().tensor(mlp + "gate_proj").numbers;
        const std::vector<float> act = lesson.recorder().tensor(mlp + "act_fn").numbers;
        double sum = 0.0, squares = 0.0;
        for (const float g : gate) sum += g, squares += static_cast<double>(g) * g;
        const double n = static_cast<double>(gate.size()), mean = sum / n;
        const double deviation = std::sqrt(squares / n - mean * mean);
        const auto percent = [n](auto count) {
            return fmt::format("{:.1f} %", 100.0 * static_cast<double>(count) / n);
        };
        table.rows.push_back(
            {std::to_string(i), fmt::format("{:.3f}", mean), fmt::format("{:.3f}", deviation),
             percent(std::count_if(gate.begin(), gate.end(), [](float g) { return g < 0.0f; })),
             percent(
                 std::count_if(gate.begin(), gate.end(), [&](float g) { return std::abs(g - mean) > 2 * deviation; })),
             percent(std::count_if(act.begin(), act.end(), [](float y) { return std::abs(y) < 0.05f; }))});
    }
    lesson.table(table);
    lesson.notice(
        "Training moves the inputs: compare the means with 0 and the deviations with 1 of the paper's N(0, 1).");
}

void draw_gates(Lesson& lesson, const Run& run) {
    viz::Chart chart{
        fmt::format("Gates of a trained model: layer {}, the last token", run.layer), {"gate_proj"}, {"act_fn"}, {}};
    const std::vector<float> gate = lesson::last_row(lesson.recorder(), run.mlp + ".gate_proj");
    const std::vector<float> act = lesson::last_row(lesson.recorder(), run.mlp + ".act_fn");
    const auto [least, most] = std::minmax_element(gate.begin(), gate.end());
    chart.series = {viz::curve("gelu", *least, *most, [](double x) { return gemma::gelu(static_cast<float>(x)); }),
                    {"the F gates", {gate.begin(), gate.end()}, {act.begin(), act.end()}, viz::Mark::points}};
    lesson.figure("nano_gates", chart, "Each point is one of the F gates, on the curve of GELU.");
}

void another_gate(Lesson& lesson, const Run& run) {
    lesson.step("Another gate, without training for it");
    lesson.text(
        "The same weights with another gate, and with the two matrices in the wrong order. How far is the MLP's output "
        "from the right one, relative to its largest number?");
    const gemma::FeedForwardWeights& weights = lesson.model().weights().layers[run.layer].mlp;
    const Matrix gate = matrix_of(lesson.recorder(), run.mlp + ".gate_proj");
    const Matrix up = matrix_of(lesson.recorder(), run.mlp + ".up_proj");
    const Matrix right = matrix_of(lesson.recorder(), run.mlp + ".down_proj");
    const auto off = [&](const Matrix& gated) {
        return fmt::format("{:.4f}", relative_difference(right, gemma::linear(gated, weights.down_proj)));
    };
    viz::Table table{{"in place of gelu_tanh(gate) ⊗ up", "off by"}, {}};
    for (const Sibling& sibling : siblings) {
        const std::string name = sibling.gate == Gate::gelu ? "GEGLU (as it is)" : sibling.name;
        table.rows.push_back({name, off(gemma::gated_unit(gate, up, sibling.gate))});
    }
    table.rows.push_back({"gate ⊗ gelu(up): gate and up swapped", off(gemma::gated_unit(up, gate, Gate::gelu))});
    const Matrix exact = gemma::gated_unit(gemma::gelu(gate, gemma::Gelu::exact), up, Gate::identity);
    table.rows.push_back({"the exact GELU", off(exact)});
    lesson.table(table);
    lesson.notice(
        "SwiGLU trained from the start is nearly as good as GEGLU. Put into a model that was trained "
        "with GEGLU it is an error. The exact GELU is a small error, and so it is easily overlooked.");
}

// --- Checks on the model ---------------------------------------------------------------------------------------------

// The last token's MLP with plain sums in double precision, for the first D outputs.
double error_of_plain_sums(Lesson& lesson, const Run& run) {
    const gemma::Record& record = lesson.recorder();
    const gemma::FeedForwardWeights& weights = lesson.model().weights().layers[run.layer].mlp;
    const std::vector<float> x = lesson::last_row(record, lesson::layer_name(run.layer) + ".post_attention_layernorm");
    const std::vector<float> y = lesson::last_row(record, run.mlp + ".down_proj");
    const std::size_t D = weights.gate_proj.columns, F = weights.gate_proj.rows;
    const auto product = [](const gemma::WeightMatrix& matrix, std::size_t row, const auto& with) {
        std::vector<float> numbers(matrix.columns);
        gemma::copy_row(matrix, row, numbers.data());
        double sum = 0.0;
        for (std::size_t i = 0; i < numbers.size(); ++i) sum += static_cast<double>(numbers[i]) * with[i];
        return sum;
    };
    std::vector<double> gated(F);
    for (std::size_t f = 0; f < F; ++f)
        gated[f] = siblings[3].activation(product(weights.gate_proj, f, x)) * product(weights.up_proj, f, x);
    double worst = 0.0, size = 0.0;
    for (std::size_t d = 0; d < D; ++d) {
        worst = std::max(worst, std::abs(product(weights.down_proj, d, gated) - y[d]));
        size = std::max(size, std::abs(static_cast<double>(y[d])));
    }
    return worst / size;
}

void check_model(Lesson& lesson, const Run& run) {
    lesson.check("the last token's MLP, relative", error_of_plain_sums(lesson, run), 1e-5, "plain sums in double");
    if (!lesson.embedded_model()) return;
    const auto folder = std::filesystem::path(GEMMA_LESSON).parent_path();
    const gemma::TraceFile official(folder / "10_forward_pass" / "official.safetensors");
    if (official.header().tokens != run.tokens) return;  // another prompt
    for (const char* const part : {"act_fn", "gated", "down_proj"}) {
        double worst = 0.0;
        for (std::size_t i = 0; i < lesson.model().config().num_hidden_layers; ++i) {
            const std::string name = lesson::layer_name(i) + ".mlp." + part;
            worst = std::max(worst, relative_difference(matrix_of(official, name), matrix_of(lesson.recorder(), name)));
        }
        lesson.check(fmt::format("{} in all layers, relative", part), worst, 1e-5, "the official model");
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::string prompt = default_prompt;
    lesson::About about{"03_geglu", "GEGLU and Gemma's MLP",
                        "What became of the gate, what that was worth, and how the largest part of Gemma is computed."};
    about.takes_model = true;
    about.options = {{"prompt", &prompt, "The sentence that goes through the MLP"}};
    return lesson::run(argc, argv, about, [&](Lesson& lesson) {
        five_siblings(lesson);
        scaling(lesson);
        papers_table(lesson);
        two_thirds(lesson);
        three_orders(lesson);
        const Run run = forward_pass(lesson, prompt);
        gates_of_a_trained_model(lesson);
        another_gate(lesson, run);
        draw_gates(lesson, run);
        lesson::what_breaks(lesson, "the gate is another one",
                            {"gate-silu", "gate-sigmoid", "gelu-on-up", "gate-up-swapped", "gate-added"});
        check_model(lesson, run);
    });
}
