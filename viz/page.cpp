#include "viz/page.hpp"

#include "gemma/checkpoint/output_file.hpp"
#include "gemma/error.hpp"
#include "gemma/trace/names.hpp"
#include "viz/base64.hpp"
#include "viz/logit_lens.hpp"
#include "viz/page_template.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string_view>

namespace viz {

using gemma::Record;
using gemma::Shape;
using gemma::TraceHeader;
using nlohmann::json;

namespace {

constexpr std::size_t small_vocabulary = 8192;    // all its pieces fit in a page
constexpr std::size_t likeliest_known = 50;       // of a larger one: the pieces of this many tokens of each row
constexpr std::size_t most_lens_rows = 1024;      // with a small vocabulary
constexpr std::size_t most_lens_rows_large = 64;  // with a large one, where each row takes V · D products

// --- Text that is safe where it stands -------------------------------------------------------------------------------

std::string html(std::string_view text) {
    std::string safe;
    for (const char c : text) {
        switch (c) {
            case '&': safe += "&amp;"; break;
            case '<': safe += "&lt;"; break;
            case '>': safe += "&gt;"; break;
            case '"': safe += "&quot;"; break;
            default: safe += c;
        }
    }
    return safe;
}

// JSON inside a <script>: a text in it may say "</script>" or "<!--", which the browser would take for its own.
std::string script_json(const json& value) {
    std::string safe;
    for (const char c : value.dump(-1, ' ', false, json::error_handler_t::replace)) {
        if (c == '<') {
            safe += "\\u003c";
        } else {
            safe += c;
        }
    }
    return safe;
}

// --- The trace -------------------------------------------------------------------------------------------------------

// Whether the rows of a record are those of a text's tokens: a record of anything else has no model.
bool is_of_text(const TraceHeader& header) { return !header.model.empty() && !header.tokens.empty(); }

std::string piece(int token, const Page& page) {
    if (page.tokenizer == nullptr || token < 0) return "";
    if (static_cast<std::size_t>(token) >= page.tokenizer->vocab_size()) return "";
    return page.tokenizer->piece(token);
}

// One behind the last token whose rows were kept.
std::size_t last_token(const Record& record, const TraceHeader& header) {
    if (is_of_text(header)) return std::min(record.range().end, header.tokens.size());
    std::size_t rows = 0;
    for (const std::string& name : record.names()) {
        const Shape shape = record.shape(name);
        if (!shape.empty()) rows = std::max(rows, shape[gemma::token_axis(name, shape)]);
    }
    return rows;
}

json trace_json(const Record& record, const TraceHeader& header, const Page& page) {
    const bool of_text = is_of_text(header);
    json tokens = json::array(), pieces = json::array(), tensors = json::array();
    if (of_text) {
        tokens = header.tokens;
        for (const int token : header.tokens) pieces.push_back(piece(token, page));
    }
    for (const std::string& name : record.names()) tensors.push_back({name, record.shape(name)});
    return {{"header",
             {{"prompt", header.prompt},
              {"model", header.model},
              {"precision", header.precision},
              {"producer", header.producer}}},
            {"tokens", tokens},
            {"pieces", pieces},
            {"promptTokens", header.prompt_tokens == 0 ? header.tokens.size() : header.prompt_tokens},
            {"first", of_text ? record.range().begin : 0},
            {"last", last_token(record, header)},
            {"tensors", tensors}};
}

// --- The lens and the vocabulary -------------------------------------------------------------------------------------

json lens_json(const Page& page) {
    if (page.model == nullptr || !is_of_text(page.header)) return nullptr;
    const std::size_t V = page.model->config().vocab_size;
    const std::size_t most = V <= small_vocabulary ? most_lens_rows : most_lens_rows_large;
    const LogitLens lens = logit_lens(*page.record, *page.model, {most});
    if (lens.empty()) return nullptr;
    json layers = json::array();
    for (const auto& rows : lens.layers) {
        json layer = json::array();
        for (const Reading& reading : rows) {
            json row = json::array();
            for (const auto& [token, probability] : reading.likeliest) row.push_back({token, probability});
            layer.push_back(row);
        }
        layers.push_back(rows.empty() ? json() : layer);
    }
    std::string note;
    if (lens.first > 0) note = fmt::format("computed for the last {} tokens", most);
    return {{"first", page.record->range().begin + lens.first}, {"note", note}, {"layers", layers}};
}

// The tokens that the logits [T, V] make likeliest.
void add_likeliest(const gemma::RecordedTensor& logits, std::set<int>& tokens) {
    if (logits.shape.size() != 2) return;
    const std::size_t V = logits.shape[1], kept = std::min(V, likeliest_known);
    std::vector<int> order(V);
    for (std::size_t row = 0; row < logits.shape[0]; ++row) {
        const float* numbers = logits.numbers.data() + row * V;
        std::iota(order.begin(), order.end(), 0);
        const auto end = order.begin() + static_cast<std::ptrdiff_t>(kept);
        // A NaN would break the order that the sort relies on: it counts as least.
        const auto size = [&](int token) { return numbers[token] == numbers[token] ? numbers[token] : -HUGE_VALF; };
        std::partial_sort(order.begin(), end, order.end(), [&](int a, int b) { return size(a) > size(b); });
        tokens.insert(order.begin(), end);
    }
}

// The pieces the page may have to show: a list of all, or {id: piece} of some.
json vocabulary_json(const Page& page, const json& lens) {
    if (page.tokenizer == nullptr) return json::object();
    const std::size_t V = page.tokenizer->vocab_size();
    if (V <= small_vocabulary) {
        json all = json::array();
        for (std::size_t token = 0; token < V; ++token) all.push_back(piece(static_cast<int>(token), page));
        return all;
    }
    std::set<int> tokens(page.header.tokens.begin(), page.header.tokens.end());
    for (const Record* record : {page.record, page.other}) {
        if (record == nullptr) continue;
        const std::vector<std::string> names = record->names();
        if (std::find(names.begin(), names.end(), "lm_head") == names.end()) continue;
        add_likeliest(record->tensor("lm_head"), tokens);
    }
    if (!lens.is_null()) {
        for (const json& layer : lens["layers"]) {
            for (const json& row : layer) {
                for (const json& likeliest : row) tokens.insert(likeliest[0].get<int>());
            }
        }
    }
    json some = json::object();
    for (const int token : tokens) some[std::to_string(token)] = piece(token, page);
    return some;
}

json content_json(const Page& page) {
    json content = {{"title", page.title}, {"trace", nullptr}, {"other", nullptr},
                    {"config", nullptr},   {"lens", nullptr},  {"vocabulary", {}}};
    if (page.record == nullptr) return content;
    content["trace"] = trace_json(*page.record, page.header, page);
    if (page.other != nullptr) content["other"] = trace_json(*page.other, page.other_header, page);
    if (page.model != nullptr) content["config"] = json::parse(gemma::to_json(page.model->config()));
    content["lens"] = lens_json(page);
    content["vocabulary"] = vocabulary_json(page, content["lens"]);
    return content;
}

// --- The numbers -----------------------------------------------------------------------------------------------------

std::size_t bytes_of(const Record* record) {
    std::size_t bytes = 0;
    if (record == nullptr) return bytes;
    for (const std::string& name : record->names()) bytes += gemma::element_count(record->shape(name)) * sizeof(float);
    return bytes;
}

void check_limit(const Page& page) {
    const std::size_t bytes = bytes_of(page.record) + bytes_of(page.other);
    if (bytes <= page_limit) return;
    gemma::fail(
        "the page: found {:.0f} MB of numbers, expected at most {:.0f} MB: record fewer tensors (gemma trace --names "
        "\"model.layers.0.*\" lm_head) or fewer tokens (--range 0:64)",
        static_cast<double>(bytes) / 1e6, static_cast<double>(page_limit) / 1e6);
}

void write_numbers(const Record* record, int place, const Sink& write) {
    if (record == nullptr) return;
    std::size_t i = 0;
    for (const std::string& name : record->names()) {
        const gemma::RecordedTensor tensor = record->tensor(name);
        write(fmt::format("<script type=\"application/octet-stream+base64\" id=\"numbers-{}-{}\" data-name=\"{}\">",
                          place, i++, html(name)));
        write(base64(tensor.numbers.data(), tensor.numbers.size() * sizeof(float)));
        write("</script>\n");
    }
}

// --- The page --------------------------------------------------------------------------------------------------------

std::string figures_html(const std::vector<Figure>& figures) {
    if (figures.empty()) return "";
    std::string text = "<section id=\"figures\" class=\"figures\" aria-label=\"Pictures\">\n";
    for (const Figure& figure : figures) {
        text += fmt::format("<figure id=\"figure-{}\">\n{}\n<figcaption>{}</figcaption>\n</figure>\n",
                            html(figure.name), figure.svg, html(figure.caption));
    }
    return text + "</section>\n";
}

// page.html: the title, the figures, the content and the numbers; its other places are files.
void write_html(const Page& page, const Sink& write) {
    check_limit(page);
    const auto fill = [&page](std::string_view place, const Sink& write) {
        if (place == "title") {
            write(html(page.title));
        } else if (place == "figures") {
            write(figures_html(page.figures));
        } else if (place == "content") {
            write(script_json(content_json(page)));
        } else if (place == "numbers") {
            write_numbers(page.record, 0, write);
            write_numbers(page.other, 1, write);
        } else {
            return false;
        }
        return true;
    };
    write_template("page.html", fill, write);
}

}  // namespace

std::string to_html(const Page& page) {
    std::string text;
    write_html(page, [&](std::string_view part) { text += part; });
    return text;
}

void write_page(const std::filesystem::path& file, const Page& page) {
    gemma::OutputFile output(file);
    write_html(page, [&](std::string_view part) { output.write(part.data(), part.size()); });
    output.finish();
}

}  // namespace viz
