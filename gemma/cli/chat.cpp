// gemma chat: a conversation with an instruct model.
#include "gemma/text/chat.hpp"
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/cli/text_output.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/generate.hpp"
#include "gemma/text/tokenizer.hpp"

#include <fmt/core.h>

#include <unistd.h>

#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace gemma {

namespace {

constexpr const char* chat_footer =
    R"(Each line of standard input is a message; the answer follows as it comes. A line that ends in \ goes on in the next
one, so that a message may have several lines:

  Ruby has a brown key. She gives it to Leo.\
  \
  Who has the key?

/new starts a new conversation, /quit or Ctrl-D ends. When the conversation no longer fits the model's context, the
program says so and a new one begins.

Examples:
  gemma chat
  gemma chat --model gemma-2b-it --temperature 0.7 --top-p 0.95
  printf 'Hello!\nWhat can you do?\n' | gemma chat)";

struct ChatArguments {
    std::string model;
    ComputeOptions computing;
    GenerateOptions generation;
    SamplerOptions sampling;
};

// What the user should know, beside the conversation itself.
template <typename... Arguments>
void note(fmt::format_string<Arguments...> message, Arguments&&... arguments) {
    fmt::print(stderr, "[{}]\n", fmt::format(message, std::forward<Arguments>(arguments)...));
}

// The turns so far live in the KV cache: each message costs its own tokens only.
class Conversation {
public:
    Conversation(const std::filesystem::path& directory, const ChatArguments& options)
        : sampler_(options.sampling),
          generation_(options.generation),
          tokenizer_(directory / "tokenizer.model"),
          model_(open_model(directory, options.computing)),
          cache_(model_.config(), model_.config().max_position_embeddings, model_.precision()) {}

    void start_anew() { cache_.truncate(0); }

    /// Writes the answer to a message. Throws an Error when the message alone is over the context or is not UTF-8.
    void answer(const std::string& message) {
        const Generation generation =
            write_generation(model_, tokenizer_, cache_, turn_that_fits(message), sampler_, generation_);
        write_text("\n");
        if (generation.stop == Stop::max_tokens)
            note("cut after {} tokens, see --max-tokens", generation.tokens.size());
        if (generation.stop == Stop::context_full) {
            note("cut: the context of {} tokens is full; the next message begins a new conversation", context());
            start_anew();
        }
    }

private:
    std::size_t context() const { return context_size(model_, cache_); }

    // A turn with room for at least one token of an answer; the conversation so far is given up where there is none.
    std::vector<int> turn_that_fits(const std::string& message) {
        std::vector<int> turn = user_turn(tokenizer_, message, cache_.length() == 0);
        if (cache_.length() + turn.size() < context()) return turn;
        turn = user_turn(tokenizer_, message, true);
        if (turn.size() >= context()) {
            fail("the message has {} tokens with its frame, expected fewer than {}, the model's context", turn.size(),
                 context());
        }
        note("the context of {} tokens is full: a new conversation begins with this message", context());
        start_anew();
        return turn;
    }

    Sampler sampler_;
    GenerateOptions generation_;
    Tokenizer tokenizer_;
    Model model_;
    KVCache cache_;
};

// The lines of standard input, with a prompt where a person types them.
class Messages {
public:
    bool typed() const { return typed_; }

    /// The next message; none at the end of input.
    std::optional<std::string> next() {
        std::optional<std::string> line = read_line("> ");
        if (!line) return std::nullopt;
        std::string message = *line;
        while (!message.empty() && message.back() == '\\') {
            message.back() = '\n';
            line = read_line("  ");
            if (!line) break;
            message += *line;
        }
        return message;
    }

private:
    std::optional<std::string> read_line(const char* prompt) {
        if (typed_) write_text(prompt);
        std::string line;
        if (!std::getline(std::cin, line)) {
            if (typed_) write_text("\n");
            return std::nullopt;
        }
        if (!line.empty() && line.back() == '\r') line.pop_back();
        return line;
    }

    bool typed_ = ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1;
};

// A word behind a slash, and nothing else: meant for the program, not for the model.
bool is_command(const std::string& text) {
    return text.size() > 1 && text[0] == '/' && text.find_first_of(" \n") == text.npos;
}

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\n") == text.npos; }

// A person who types may go on after a message that cannot be used; a script should hear of it by the exit code.
void answer(Conversation& conversation, const std::string& message, bool typed) {
    try {
        if (is_command(message)) fail("found {}, expected a message, /new (a new conversation) or /quit", message);
        conversation.answer(message);
    } catch (const Error& error) {
        if (!typed) throw;
        note("{}", error.what());
    }
    if (typed) write_text("\n");
}

void run(const ChatArguments& options) {
    Conversation conversation(options.model.empty() ? embedded_instruct_model() : given_directory(options.model),
                              options);
    Messages messages;
    if (messages.typed()) write_text("/new starts a new conversation, /quit ends, a line that ends in \\ goes on.\n\n");
    while (const std::optional<std::string> message = messages.next()) {
        if (*message == "/quit") return;
        if (*message == "/new") {
            conversation.start_anew();
        } else if (!is_blank(*message)) {
            answer(conversation, *message, messages.typed());
        }
    }
}

}  // namespace

void add_chat(CLI::App& app) {
    CLI::App* const command = app.add_subcommand("chat", "Talk to an instruct model");
    const auto options = std::make_shared<ChatArguments>();
    options->generation.max_tokens = 1024;
    command
        ->add_option("--model", options->model,
                     "Directory of an instruct model in Hugging Face's layout\n"
                     "(default: the small one that comes with the program)")
        ->type_name("DIR");
    add_generation_options(*command, options->generation, options->sampling);
    add_compute_options(*command, options->computing);
    command->footer(chat_footer);
    command->callback([options] { run(*options); });
}

}  // namespace gemma
