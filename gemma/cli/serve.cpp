// gemma serve: a page on this machine where one types a prompt, watches the tokens come, and edits activations.
//
//   GET  /                     the page
//   GET  /api/models           the models it can ask: names and configs
//   POST /api/generate?model=N a request of viz/live.hpp; its answer comes line by line as it is computed
//   POST /api/page?model=N     {"tokens": [...], "edits": [...]}: their trace as a page of its own
//
// It listens on the loopback address unless told otherwise, and takes requests from its own page only: a page from
// elsewhere that the browser has open cannot ask it (Origin and Host are checked), and no file of this machine is
// served.
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/cli/commands.hpp"
#include "gemma/cli/options.hpp"
#include "gemma/error.hpp"
#include "gemma/model/model.hpp"
#include "gemma/text/tokenizer.hpp"
#include "viz/live.hpp"
#include "viz/page.hpp"

#include <fmt/core.h>
#include <httplib.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace gemma {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t longest_request = 256 << 10;  // bytes
constexpr std::size_t connections = 64;             // threads that read and write; computing is counted apart

constexpr const char* footer =
    R"(Open the address that it prints in a browser. Ctrl-C ends it.

Examples:
  gemma serve
  gemma serve --model gemma-2b-it --port 9000)";

struct ServeOptions {
    std::string model;
    std::string host = "127.0.0.1";
    int port = 8080;
    std::size_t at_once = 2;
    std::size_t waiting = 16;
};

struct Served {
    std::string name;
    Model model;
    Tokenizer tokenizer;
};

std::unique_ptr<Served> open_model(const fs::path& directory, const std::string& name) {
    return std::make_unique<Served>(Served{name, Model(directory), Tokenizer(directory / "tokenizer.model")});
}

std::vector<std::unique_ptr<Served>> open_models(const std::string& option) {
    std::vector<std::unique_ptr<Served>> models;
    if (option.empty()) {
        models.push_back(open_model(embedded_model(), "nano"));
        models.push_back(open_model(embedded_instruct_model(), "nano instruct"));
    } else {
        models.push_back(open_model(option, fs::canonical(option).filename().string()));
    }
    return models;
}

// Lets a few requests compute at a time and a few more wait; all others are told to come back later.
class Turnstile {
public:
    Turnstile(std::size_t at_once, std::size_t waiting) : at_once_(at_once), most_(at_once + waiting) {}

    // A request on its way from entering to leaving.
    class Pass {
    public:
        explicit Pass(Turnstile& turnstile) : turnstile_(&turnstile) {}
        Pass(Pass&& other) noexcept : turnstile_(std::exchange(other.turnstile_, nullptr)) {}
        ~Pass() {
            if (turnstile_ != nullptr) turnstile_->leave();
        }

    private:
        Turnstile* turnstile_;
    };

    std::optional<Pass> enter() {
        const std::lock_guard lock(mutex_);
        if (inside_ == most_) return std::nullopt;
        ++inside_;
        return Pass(*this);
    }

    // Between these two a request computes; while it writes to a slow client another may.
    void begin() {
        std::unique_lock lock(mutex_);
        freed_.wait(lock, [&] { return computing_ < at_once_; });
        ++computing_;
    }

    void end() {
        const std::lock_guard lock(mutex_);
        --computing_;
        freed_.notify_one();
    }

private:
    void leave() {
        const std::lock_guard lock(mutex_);
        --inside_;
    }

    const std::size_t at_once_, most_;
    std::mutex mutex_;
    std::condition_variable freed_;
    std::size_t inside_ = 0, computing_ = 0;
};

// Computes while it lives.
class Turn {
public:
    explicit Turn(Turnstile& turnstile) : turnstile_(turnstile) { turnstile_.begin(); }
    ~Turn() { turnstile_.end(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // Lets others compute while this one does something that may take long.
    template <typename Work>
    auto pause(const Work& work) {
        turnstile_.end();
        const auto result = work();
        turnstile_.begin();
        return result;
    }

private:
    Turnstile& turnstile_;
};

void refuse(httplib::Response& response, int status, const std::string& reason) {
    response.status = status;
    response.set_content(json{{"error", reason}}.dump() + "\n", "application/json");
}

// Sends a page as it is: httplib would compress a text that it holds itself, which takes seconds for the numbers of a
// trace and gains nothing on the way from this machine to itself.
void send_page(std::string page, httplib::Response& response) {
    const auto text = std::make_shared<const std::string>(std::move(page));
    response.set_content_provider(text->size(), "text/html; charset=utf-8",
                                  [text](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
                                      return sink.write(text->data() + offset, length);
                                  });
}

class Service {
public:
    Service(const ServeOptions& options)
        : models_(open_models(options.model)), turnstile_(options.at_once, options.waiting), host_(options.host) {
        server_.new_task_queue = [] { return new httplib::ThreadPool(connections); };
        server_.set_payload_max_length(longest_request);
        server_.set_read_timeout(5);
        server_.set_write_timeout(10);
        server_.set_keep_alive_timeout(2);
        server_.set_pre_routing_handler(
            [this](const auto& request, auto& response) { return admit(request, response); });
        server_.set_exception_handler(
            [](const auto&, auto& response, std::exception_ptr error) { explain(response, error); });
        server_.set_error_handler([](const auto& request, auto& response) { name_status(request, response); });
        server_.Get("/", [](const auto&, auto& response) { send_page(viz::live_page(), response); });
        server_.Get("/api/models", [this](const auto&, auto& response) { list_models(response); });
        server_.Post("/api/generate", [this](const auto& request, auto& response) { generate(request, response); });
        server_.Post("/api/page", [this](const auto& request, auto& response) { page(request, response); });
    }

    // The port it got: the one asked for, or any free one for 0.
    int bind(int port) {
        port_ = port == 0 ? server_.bind_to_any_port(host_) : server_.bind_to_port(host_, port) ? port : -1;
        if (port_ < 0) fail("--port: {} on {} cannot be listened on, expected a free port (0: any)", port, host_);
        return port_;
    }

    // Until stop() is called.
    void listen() {
        server_.listen_after_bind();
        ended_ = true;
    }

    void stop() {
        stopping_ = true;
        // A server that has not begun would not notice.
        while (!server_.is_running() && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        server_.stop();
    }

private:
    using Routing = httplib::Server::HandlerResponse;

    // The names under which its own page reaches it.
    bool own_name(const std::string& host) const {
        for (const std::string& name :
             {host_, std::string("localhost"), std::string("127.0.0.1"), std::string("[::1]")}) {
            if (host == fmt::format("{}:{}", name, port_) || (port_ == 80 && host == name)) return true;
        }
        return false;
    }

    Routing admit(const httplib::Request& request, httplib::Response& response) const {
        const std::string host = request.get_header_value("Host"), origin = request.get_header_value("Origin");
        response.set_header("X-Content-Type-Options", "nosniff");
        response.set_header("Referrer-Policy", "no-referrer");
        if (!own_name(host)) {
            refuse(response, 403, fmt::format("found the host \"{}\", expected {}:{}", host, host_, port_));
            return Routing::Handled;
        }
        if (!origin.empty() && origin != "http://" + host) {
            refuse(response, 403, fmt::format("found a request from {}, expected one from this page", origin));
            return Routing::Handled;
        }
        if (request.method == "POST" && request.get_header_value("Content-Type") != "application/json") {
            refuse(response, 415, "expected the content type application/json");
            return Routing::Handled;
        }
        return Routing::Unhandled;
    }

    static void explain(httplib::Response& response, std::exception_ptr thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Error& error) {
            refuse(response, 400, error.what());
        } catch (const std::bad_alloc&) {
            refuse(response, 503, "there is not enough memory for this request");
        } catch (const std::exception& error) {
            refuse(response, 500, error.what());
        }
    }

    // What httplib itself refuses has no text yet.
    static void name_status(const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        const int status = response.status;
        refuse(response, status,
               status == 404   ? "there is no such page"
               : status == 413 ? fmt::format("the request is too large, expected at most {} bytes", longest_request)
                               : fmt::format("the request cannot be read (status {})", status));
    }

    const Served& served(const httplib::Request& request) const {
        const std::string text = request.has_param("model") ? request.get_param_value("model") : "0";
        for (std::size_t i = 0; i < models_.size(); ++i) {
            if (text == std::to_string(i)) return *models_[i];
        }
        fail("model: found \"{}\", expected a number below {}", text, models_.size());
    }

    std::optional<Turnstile::Pass> enter(httplib::Response& response) {
        std::optional<Turnstile::Pass> pass = turnstile_.enter();
        if (!pass) {
            response.set_header("Retry-After", "1");
            refuse(response, 503, "too many requests at a time; try again in a second");
        }
        return pass;
    }

    void list_models(httplib::Response& response) const {
        json list = json::array();
        for (const auto& served : models_) {
            list.push_back({{"name", served->name}, {"config", json::parse(to_json(served->model.config()))}});
        }
        response.set_content(list.dump(), "application/json");
    }

    void generate(const httplib::Request& http, httplib::Response& response) {
        const Served& served = this->served(http);
        const viz::LiveRequest request = viz::parse_live_request(http.body);
        std::optional<Turnstile::Pass> pass = enter(response);
        if (!pass) return;
        {
            const Turn turn(turnstile_);
            viz::prompt_tokens(request, served.model, served.tokenizer);  // throws while there still is a status to set
            viz::check_edits(request.edits, served.model);
        }
        const auto held = std::make_shared<Turnstile::Pass>(std::move(*pass));
        response.set_chunked_content_provider(
            "application/x-ndjson", [this, &served, request, held](std::size_t, httplib::DataSink& sink) {
                Turn turn(turnstile_);
                viz::answer(request, served.model, served.tokenizer, [&](const std::string& line) {
                    return turn.pause([&] { return !stopping_ && sink.write((line + "\n").data(), line.size() + 1); });
                });
                sink.done();
                return true;
            });
    }

    void page(const httplib::Request& http, httplib::Response& response) {
        const Served& served = this->served(http);
        const viz::PageRequest request = viz::parse_page_request(http.body);
        std::optional<Turnstile::Pass> pass = enter(response);
        if (!pass) return;
        const Turn turn(turnstile_);
        send_page(viz::trace_page(request, served.name, served.model, served.tokenizer), response);
    }

    std::vector<std::unique_ptr<Served>> models_;
    Turnstile turnstile_;
    std::string host_;
    int port_ = 0;
    httplib::Server server_;
    std::atomic<bool> stopping_{false}, ended_{false};
};

// Ends the service when Ctrl-C or a friendly kill comes. A signal handler may do next to nothing, so it writes a byte
// to a pipe, and a thread that reads there does the rest.
class Interrupt {
public:
    explicit Interrupt(Service& service) {
        if (::pipe(pipe_) != 0) fail("a pipe cannot be made: {}", std::strerror(errno));
        std::signal(SIGPIPE, SIG_IGN);  // a client that went away is no reason to end
        for (const int signal : {SIGINT, SIGTERM}) {
            std::signal(signal, [](int) { wake(); });
        }
        waiting_ = std::thread([&service] {
            char byte = 0;
            while (::read(pipe_[0], &byte, 1) < 0 && errno == EINTR) {
            }
            service.stop();
        });
    }

    ~Interrupt() {
        wake();  // for the case that the service ended by itself
        waiting_.join();
    }

private:
    static void wake() {
        const char byte = 0;
        [[maybe_unused]] const auto written = ::write(pipe_[1], &byte, 1);
    }

    static inline int pipe_[2] = {-1, -1};
    std::thread waiting_;
};

void serve(const ServeOptions& options) {
    if (options.at_once == 0) fail("--at-once: found 0, expected 1 or more");
    Service service(options);
    const int port = service.bind(options.port);
    const Interrupt interrupt(service);
    fmt::print("http://{}:{}/\n", options.host == "127.0.0.1" ? "localhost" : options.host, port);
    std::fflush(stdout);
    service.listen();
}

}  // namespace

void add_serve(CLI::App& app) {
    CLI::App* const command = app.add_subcommand("serve", "A live page: type, watch the tokens come, edit activations");
    const auto options = std::make_shared<ServeOptions>();
    add_model_option(*command, options->model);
    command->add_option("--host", options->host, "Address to listen on; others than this machine's own can then ask")
        ->capture_default_str();
    command->add_option("--port", options->port, "Port (0: any free one)")
        ->check(CLI::Range(0, 65535))
        ->capture_default_str();
    command->add_option("--at-once", options->at_once, "Requests that compute at a time")
        ->transform(not_negative())
        ->capture_default_str();
    command
        ->add_option("--waiting", options->waiting, "Requests that may wait; more are told to come back (status 503)")
        ->transform(not_negative())
        ->capture_default_str();
    command->footer(footer);
    command->callback([options] { serve(*options); });
}

}  // namespace gemma
