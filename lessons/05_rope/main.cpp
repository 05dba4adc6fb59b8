// Lesson 05: RoPE turns the pairs of a query and a key by their positions, and their product knows the distance.

#include "gemma/components/mqa.hpp"
#include "gemma/components/rope.hpp"
#include "gemma/linear/linear.hpp"
#include "lessons/05_rope/decay.hpp"
#include "lessons/05_rope/model.hpp"
#include "lessons/05_rope/planes.hpp"
#include "lessons/breaks.hpp"
#include "lessons/lesson.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

using namespace planes;
using gemma::Matrix;
using lesson::Lesson;

namespace {

constexpr double two_pi = 6.283185307179586;

// --- Two dimensions --------------------------------------------------------------------------------------------------

void one_plane(Lesson& lesson) {
    lesson.step("The slide's rotation: two numbers, one plane");
    lesson.formula(
        "f(x, m) = (cos mθ  -sin mθ) (W x)        θ = 1: one radian a token\n"
        "          (sin mθ   cos mθ)");
    lesson.text(
        "W x comes first: the query as it would be without positions. Then it is turned, by an angle that grows with "
        "its position m. A token x = (1, 2) and a matrix W of whole numbers; gemma::rope does the turning:");
    const Matrix x = {{1.0f, 2.0f}};
    const Matrix W = {{1.0f, 1.0f}, {-2.0f, 3.0f}};
    const Matrix Wx = gemma::linear(x, gemma::WeightMatrix::of(W));
    const Vector q = {Wx(0, 0), Wx(0, 1)};
    lesson.line("  W = ( 1 1)    W x = (3, 4)");
    lesson.line("      (-2 3)");
    lesson.line("");

    viz::Table table{{"position m", "angle mθ", "first", "second", "length"}, {}};
    viz::Series path{"the query at positions 0 to 6", {}, {}, viz::Mark::points},
        circle{"length 5", {}, {}, viz::Mark::dashes};
    double worst = 0;
    for (std::size_t m = 0; m <= 6; ++m) {
        const Vector y = turned(q, m);
        const double angle = static_cast<double>(m);
        worst = std::max(worst, std::abs(y(0) - (3 * std::cos(angle) - 4 * std::sin(angle))));
        worst = std::max(worst, std::abs(y(1) - (3 * std::sin(angle) + 4 * std::cos(angle))));
        table.rows.push_back({std::to_string(m), std::to_string(m), fmt::format("{:.4f}", y(0)),
                              fmt::format("{:.4f}", y(1)), fmt::format("{:.4f}", length(y))});
        path.x.push_back(y(0)), path.y.push_back(y(1));
    }
    for (std::size_t i = 0; i <= 100; ++i) {
        const double angle = two_pi * static_cast<double>(i) / 100;
        circle.x.push_back(5 * std::cos(angle)), circle.y.push_back(5 * std::sin(angle));
    }
    lesson.table(table);
    lesson.notice(
        "The length stays 5: a rotation adds nothing and takes nothing away. Position 0 is not turned at all.");
    lesson.check("one plane: turned by m radians", worst, 1e-5, "closed form");
    lesson.figure("one_plane",
                  {"A query is turned by its position",
                   {"first number", false, -12, 12},  // as wide as it takes to make the circle round
                   {"second number", false, -6, 6},
                   {circle, path}},
                  "One vector, W x = (3, 4), at positions 0 to 6: it moves on a circle, one radian a token.");
}

void one_score(Lesson& lesson) {
    lesson.text(
        "A key k = (2, -1) is turned by its own position n. What attention takes is the product of the two, and there "
        "only the angle between them counts:");
    lesson.formula("f(q, m) · f(k, n) = g(q, k, m - n)");
    const Vector q = {3.0f, 4.0f}, k = {2.0f, -1.0f};
    const auto score = [&](std::size_t m, std::size_t n) { return dot(turned(q, m), turned(k, n)); };
    viz::Table table{{"m - n", "n = 0", "n = 1", "n = 10", "n = 100", "n = 1000"}, {}};
    for (const std::size_t distance : {0, 1, 2, 3, 10}) {
        std::vector<std::string> row = {std::to_string(distance)};
        for (const std::size_t n : {0, 1, 10, 100, 1000}) row.push_back(fmt::format("{:.4f}", score(n + distance, n)));
        table.rows.push_back(row);
    }
    lesson.table(table);
    lesson.notice(
        "Along a row nothing changes: \"best of both worlds: absolute and relative positions\", as the slide says. "
        "Each vector is turned by its absolute position, alone, and can be kept in the cache so; the score is "
        "relative.");
}

// --- d/2 planes ------------------------------------------------------------------------------------------------------

void all_planes(Lesson& lesson) {
    lesson.step(fmt::format("From one plane to d/2: Gemma's head of {}", gemma_head));
    lesson.formula(
        "θ_j       = 10000^(-2j/d)                          j = 0 … d/2 - 1\n"
        "y_j       = x_j cos(mθ_j) - x_{j+d/2} sin(mθ_j)\n"
        "y_{j+d/2} = x_j sin(mθ_j) + x_{j+d/2} cos(mθ_j)    x [T, heads, d]");
    lesson.text(
        "The slide shows two dimensions. A head of d numbers has d/2 pairs, each in a plane of its own and with its "
        "own frequency. One turn takes 2π/θ_j tokens, the wavelength:");
    const Vector theta = gemma::rope_frequencies(gemma_head);
    viz::Table table{{"pair j", "partners", "θ_j", "wavelength in tokens", "turns in 8192 tokens"}, {}};
    for (const std::size_t j : {0, 1, 2, 16, 32, 64, 96, 100, 127}) {
        table.rows.push_back({std::to_string(j), fmt::format("{}, {}", j, j + gemma_head / 2),
                              fmt::format("{:.6g}", theta(j)), fmt::format("{:.2f}", two_pi / theta(j)),
                              fmt::format("{:.3f}", static_cast<double>(gemma_context) * theta(j) / two_pi)});
    }
    lesson.table(table);

    double worst = 0;
    std::size_t incomplete = 0;
    viz::Series frequencies{"θ_j", {}, {}}, wavelengths{"wavelength 2π/θ_j, in tokens", {}, {}};
    for (std::size_t j = 0; j < theta.size(); ++j) {
        worst = std::max(worst, std::abs(theta(j) / frequency(j, gemma_head) - 1));
        incomplete += two_pi / theta(j) > static_cast<double>(gemma_context);
        frequencies.x.push_back(static_cast<double>(j)), frequencies.y.push_back(theta(j));
        wavelengths.x.push_back(static_cast<double>(j)), wavelengths.y.push_back(two_pi / theta(j));
    }
    lesson.notice(
        fmt::format("The fast pairs tell neighbours apart, the slow ones see the whole text: {} of {} pairs do not "
                    "complete a turn in the context of {} tokens.",
                    incomplete, theta.size(), gemma_context));
    viz::Chart waves{"What the pairs see of 100 tokens", {"position m"}, {"cos mθ_j"}, {}};
    for (const std::size_t j : {0, 16, 32, 64}) {
        waves.series.push_back(viz::curve(
            fmt::format("j = {}", j), 0, 100, [j](double m) { return std::cos(m * frequency(j, gemma_head)); }, 401));
    }
    lesson.figure("waves", waves,
                  "Pairs 0, 16, 32 and 64 of 128: from fast ones, which tell neighbours apart, to slow ones.");
    lesson.check("the 128 frequencies of a head of 256, relative", worst, 3e-7, "closed form in double");
    lesson.figure(
        "frequencies",
        {"128 planes, 128 speeds", {"pair j"}, {"θ_j, and tokens a turn", true}, {frequencies, wavelengths}},
        "From a radian a token to a turn in tens of thousands of tokens, evenly spaced on a logarithmic scale.");
}

void lengths_stay(Lesson& lesson) {
    const Vector x = random_vector(gemma_head, 1);
    double worst = 0;
    for (std::size_t m = 0; m < gemma_context; m += 31)
        worst = std::max(worst, std::abs(length(turned(x, m)) / length(x) - 1));
    lesson.check("a rotation keeps the length, positions to 8191", worst, 1e-6, "a rotation");
}

// --- Pairs -----------------------------------------------------------------------------------------------------------

std::string numbers(const Tensor3& x) {
    std::string text;
    for (const float value : x) text += fmt::format("{:8.4f}", value);
    return text;
}

void pairs(Lesson& lesson) {
    lesson.step("Who is whose partner: half-split and interleaved pairs");
    lesson.formula(
        "the paper       (0, 1), (2, 3), …, (d-2, d-1)             neighbours: \"interleaved\"\n"
        "Gemma           (0, d/2), (1, d/2 + 1), …, (d/2 - 1, d-1)   \"half-split\"");
    lesson.text("The same eight numbers, turned both ways:");
    Tensor3 x = Tensor3::from_shape({1, 1, 8});
    for (std::size_t i = 0; i < 8; ++i) x(0, 0, i) = static_cast<float>(i + 1);
    viz::Table table{{"position", "pairs", "the eight numbers, turned"}, {}};
    for (const std::size_t m : {0, 1, 2}) {
        table.rows.push_back({std::to_string(m), "interleaved", numbers(interleaved_rope(x, m))});
        table.rows.push_back({std::to_string(m), "half-split", numbers(gemma::rope(x, gemma::rope_rotation(m, 1, 8)))});
    }
    lesson.table(table);
    lesson.notice(
        "They differ from position 1 on. Position 0 hides the mistake, because nothing turns there: test RoPE at a "
        "position that is not 0.");

    const std::size_t T = 20;
    Tensor3 random = Tensor3::from_shape({T, 1, gemma_head});
    const Vector noise = random_vector(random.size(), 2);
    std::copy(noise.begin(), noise.end(), random.begin());
    const double same = relative_difference(gemma::rope(to_half_split(random), gemma::rope_rotation(1, T, gemma_head)),
                                            to_half_split(interleaved_rope(random, 1)));
    lesson.text(
        "They are the same up to the order of the numbers: move number 2j to place j and 2j + 1 to place j + d/2, turn "
        "half-split, and what comes out is the interleaved result, moved in the same way. A product of query and key "
        "does not ask for the order, so either works when a model is trained with it. But the rows of a checkpoint's "
        "q_proj and k_proj lie in one of the two orders, and fit that one only; step 7 shows what happens otherwise.");
    lesson.check("half-split is interleaved in another order", same, 2e-6, "the paper's formula");
    lesson.check("at position 0 both leave x as it is",
                 relative_difference(gemma::rope(x, gemma::rope_rotation(0, 1, 8)), interleaved_rope(x, 0)), 0.0,
                 "nothing turns");
}

// --- Distance --------------------------------------------------------------------------------------------------------

void only_the_distance(Lesson& lesson) {
    lesson.step("The score depends on the distance only");
    lesson.text(fmt::format(
        "A random query and key of {} numbers. Their score is the product of the turned vectors, here over the product "
        "of their lengths. For each distance, the pair is moved through the whole context of {} tokens:",
        gemma_head, gemma_context));
    const Vector q = random_vector(gemma_head, 3), k = random_vector(gemma_head, 4);
    const double scale = length(q) * length(k);
    const auto score = [&](std::size_t m, std::size_t n) { return dot(turned(q, m), turned(k, n)) / scale; };
    viz::Table table{{"m - n", "n = 0", "n = 1000", "n = 3000", "largest change", "shifts"}, {}};
    double worst = 0;
    for (const std::size_t distance : {0, 1, 2, 10, 100, 1000, 5000}) {
        const double first = score(distance, 0);
        double largest = 0;
        std::size_t shifts = 0;
        for (std::size_t n = 0; n + distance < gemma_context; n += 13, ++shifts) {
            largest = std::max(largest, std::abs(score(n + distance, n) - first));
        }
        worst = std::max(worst, largest);
        table.rows.push_back({std::to_string(distance), fmt::format("{:.5f}", first),
                              fmt::format("{:.5f}", score(1000 + distance, 1000)),
                              fmt::format("{:.5f}", score(3000 + distance, 3000)), fmt::format("{:.1e}", largest),
                              std::to_string(shifts)});
    }
    lesson.table(table);
    lesson.notice(
        "What is left are the rounding errors of float32 angles, which step 6 explains. And before is not after: the "
        "score at m - n = 10 is not that at -10, unlike the product of two sinusoids, which cannot tell.");
    const double ahead = score(10, 0), behind = score(0, 10);
    lesson.line(fmt::format("  score at m - n = 10: {:.5f}    at m - n = -10: {:.5f}", ahead, behind));
    lesson.line("");
    lesson.check("a score, moved through 8192 tokens", worst, 2e-4, "the same distance");
    lesson.check("before is not after", std::abs(ahead - behind) > 1e-2, "the scores differ");
}

// One head's attention over four tokens that begin at `first`; the values turned, too, or not.
Tensor3 context_at(std::size_t first, bool turn_values) {
    const std::size_t T = 4, d = 8;
    const auto heads = [&](std::uint64_t seed) {
        Tensor3 x = Tensor3::from_shape({T, 1, d});
        const Vector random = random_vector(x.size(), seed);
        std::copy(random.begin(), random.end(), x.begin());
        return x;
    };
    const gemma::Rotation rotation = gemma::rope_rotation(first, T, d);
    gemma::KeyValues past(1, T, d);
    const Tensor3 value = heads(7);
    past.append(gemma::rope(heads(6), rotation), turn_values ? gemma::rope(value, rotation) : value);
    const Tensor3 scores = gemma::attention_scores(gemma::rope(heads(5), rotation), past);
    return gemma::attention_context(gemma::causal_softmax(scores), past);
}

void values_are_not_turned(Lesson& lesson) {
    lesson.text(
        "Queries and keys are turned, values are not. Values do not meet in a product that would cancel their "
        "positions: they are added up. Four tokens, once at position 0 and once at position 50, and how far the "
        "results are apart:");
    const double right = relative_difference(context_at(50, false), context_at(0, false));
    const double wrong = relative_difference(context_at(50, true), context_at(0, true));
    lesson.table({{"values", "largest difference, relative"},
                  {{"as they are", right < 1e-6 ? "< 1e-6" : fmt::format("{:.1e}", right)},
                   {"turned, too", fmt::format("{:.1e}", wrong)}}});
    lesson.check("attention does not change when all tokens move", right, 1e-5, "the same distance");
    lesson.check("it would, if values were turned", wrong > 0.1, "the results differ");
}

// --- Long context ----------------------------------------------------------------------------------------------------

struct AngleErrors {
    double angle = 0, cosine = 0;
};

// How far the rotation of a position is from that in double when the angles are rounded.
template <typename Angle>
AngleErrors errors_at(std::size_t position, const Angle& angle_of) {
    AngleErrors worst;
    for (std::size_t j = 0; j < gemma_head / 2; ++j) {
        const double exact = static_cast<double>(position) * frequency(j, gemma_head), rounded = angle_of(j);
        worst.angle = std::max(worst.angle, std::abs(rounded - exact));
        worst.cosine = std::max(worst.cosine, std::abs(std::cos(rounded) - std::cos(exact)));
    }
    return worst;
}

void long_context(Lesson& lesson) {
    lesson.step("Long context: why angles are float32");
    lesson.text("A position as a bfloat16 number, which has 8 bits for its digits:");
    std::string positions, rounded;
    for (const std::size_t m : {255, 256, 257, 258, 259, 4097, 8188, 8189, 8190, 8191}) {
        positions += fmt::format("{:>7}", m);
        rounded += fmt::format("{:>7}", bfloat16(static_cast<double>(m)));
    }
    lesson.line("position " + positions);
    lesson.line("bfloat16 " + rounded);
    lesson.line("");
    std::set<float> distinct;
    for (std::size_t m = 0; m < gemma_context; ++m) distinct.insert(bfloat16(static_cast<double>(m)));
    lesson.notice(fmt::format("Of {} positions, {} are left: from 4096 on, bfloat16 numbers are 32 apart.",
                              gemma_context, distinct.size()));

    lesson.text("The largest error of an angle, and of a cosine, over the 128 pairs, against double:");
    const Vector theta = gemma::rope_frequencies(gemma_head);
    viz::Table table{{"position", "angle, float32", "cosine, float32", "angle, bfloat16", "cosine, bfloat16"}, {}};
    double worst = 0;
    for (const std::size_t m : {1, 100, 257, 1000, 4097, 8191}) {
        const AngleErrors single = errors_at(m, [&](std::size_t j) { return static_cast<float>(m) * theta(j); });
        const AngleErrors half = errors_at(
            m, [&](std::size_t j) { return bfloat16(bfloat16(static_cast<double>(m)) * bfloat16(theta(j))); });
        worst = std::max(worst, single.cosine);
        table.rows.push_back({std::to_string(m), fmt::format("{:.1e}", single.angle),
                              fmt::format("{:.1e}", single.cosine), fmt::format("{:.1e}", half.angle),
                              fmt::format("{:.1e}", half.cosine)});
    }
    lesson.table(table);
    lesson.notice(
        "In float32 an angle of thousands of radians keeps three digits behind the point, and that is enough. In "
        "bfloat16 the angle of a far token is off by whole turns. Gemma's angles are float32, also where all else is "
        "bfloat16.");
    lesson.check("bfloat16: 257 becomes 256", bfloat16(257) == 256, "8 bits");
    lesson.check("bfloat16: 8189, 8190 and 8191 become 8192",
                 bfloat16(8189) == 8192 && bfloat16(8190) == 8192 && bfloat16(8191) == 8192, "8 bits");
    lesson.check("cosines of float32 angles, up to position 8191", worst, 1e-3, "double");
}

}  // namespace

int main(int argc, char** argv) {
    return lesson::run(
        argc, argv,
        {"05_rope", "RoPE, rotary position embedding",
         "How turning a query and a key by their positions makes their product know the distance.", true},
        [](Lesson& lesson) {
            one_plane(lesson);
            one_score(lesson);
            all_planes(lesson);
            lengths_stay(lesson);
            pairs(lesson);
            only_the_distance(lesson);
            values_are_not_turned(lesson);
            decay(lesson);
            long_context(lesson);
            in_the_model(lesson);
            against_the_official_model(lesson);
            lesson::what_breaks(lesson, "queries and keys are turned in another way",
                                {"rope-interleaved", "rope-backwards", "rope-from-one", "rope-queries-only",
                                 "rope-theta-500000", "rope-exponent", "rope-angles-bfloat16", "rope-values"});
        });
}
