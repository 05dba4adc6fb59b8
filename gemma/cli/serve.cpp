// gemma serve: a page on this machine where one types a prompt, watches the tokens come, and edits activations.
//
//   GET  /                     the page
//   GET  /api/models           the models it can ask: names and configs
//   POST /api/generate?model=N a request of viz/live.hpp; its answer comes line by line as it is computed
//   POST /api/page?model=N     {"tokens": [...], "edits": [...]}: their trace as a page of its own
//
// It listens on the loopback address unless told otherwise, and takes requests from its own page only: a page from
// elsewhere that the browser has open cannot ask it (Origin, Host and Sec-Fetch-Site are checked), and no file of this
// machine is served.
//
// Every refusal has a status and a reason, {"error": "..."}:
//
//   400  not a request as above        405  another method        415  another content type, or a compressed body
//   403  from another page or host     413  over 256 KB           500  a defect of this program: tell us
//   404  no such page                  414  a path over 8 KB      503  too much at a time: come back in a second
#include "gemma/checkpoint/embedded.hpp"
#include "gemma/cli/bounded_server.hpp"
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
#ifdef __GLIBC__
#include <malloc.h>
#endif
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
using Clock = std::chrono::steady_clock;

constexpr const char* serve_footer =
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
    std::size_t seconds = 300;
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
        const fs::path directory = given_directory(option);
        models.push_back(open_model(directory, fs::canonical(directory).filename().string()));
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

    // Between these two a request computes; while it writes to a slow client another may. False: its time was over
    // first.
    bool begin(Clock::time_point end) {
        std::unique_lock lock(mutex_);
        if (!freed_.wait_until(lock, end, [&] { return computing_ < at_once_ || closed_; }) || closed_) return false;
        ++computing_;
        return true;
    }

    void end() {
        const std::lock_guard lock(mutex_);
        --computing_;
        freed_.notify_one();
    }

    // Nobody begins any more.
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        freed_.notify_all();
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
    bool closed_ = false;
};

// Computes while it lives, if it got to.
class Turn {
public:
    Turn(Turnstile& turnstile, Clock::time_point end)
        : turnstile_(turnstile), end_(end), computing_(turnstile.begin(end)) {}
    ~Turn() { rest(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool computing() const { return computing_; }

    // Lets others compute while this one does something that may take long. False where the work is, or where there
    // is no time left to compute.
    template <typename Work>
    bool pause(const Work& work) {
        rest();
        if (!work()) return false;
        computing_ = turnstile_.begin(end_);
        return computing_;
    }

private:
    void rest() {
        if (computing_) turnstile_.end();
        computing_ = false;
    }

    Turnstile& turnstile_;
    const Clock::time_point end_;
    bool computing_;
};

void refuse(httplib::Response& response, int status, const std::string& reason) {
    response.status = status;
    const std::string text = json{{"error", reason}}.dump(-1, ' ', false, json::error_handler_t::replace);
    response.set_content(text + "\n", "application/json");
}

void refuse_for_now(httplib::Response& response, const std::string& reason) {
    response.set_header("Retry-After", "1");
    refuse(response, 503, reason + "; try again in a second");
}

// Sends a page as it is: httplib would compress a text that it holds itself, which takes seconds for the numbers of a
// trace and gains nothing on the way from this machine to itself. Until all is sent it keeps what is `held`.
void send_page(std::string page, httplib::Response& response, std::shared_ptr<const void> held = nullptr) {
    const auto text = std::make_shared<const std::string>(std::move(page));
    response.set_content_provider(
        text->size(), "text/html; charset=utf-8",
        [text, held = std::move(held)](std::size_t offset, std::size_t length, httplib::DataSink& sink) {
            return sink.write(text->data() + offset, length);
        });
}

class Service {
public:
    explicit Service(const ServeOptions& options)
        : models_(open_models(options.model)),
          turnstile_(options.at_once, options.waiting),
          host_(options.host),
          longest_(options.seconds) {
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
        // Where no port of the host is free, the host is what is wrong.
        if (port_ < 0 && httplib::Server().bind_to_any_port(host_) < 0) {
            fail("--host: {} cannot be listened on, expected an address or a name of this machine", host_);
        }
        if (port_ < 0) fail("--port: {} on {} cannot be listened on, expected a free port (0: any)", port, host_);
        server_.widen_queue();
        return port_;
    }

    // Until stop() is called.
    void listen() {
        server_.listen_after_bind();
        ended_ = true;
    }

    void stop() {
        stopping_ = true;
        turnstile_.close();
        // A server that has not begun would not notice.
        while (!server_.is_running() && !ended_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        server_.end();
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
        response.set_header("X-Content-Type-Options", "nosniff");
        response.set_header("X-Frame-Options", "DENY");
        response.set_header("Cross-Origin-Resource-Policy", "same-origin");
        response.set_header("Referrer-Policy", "no-referrer");
        return foreign(request, response) || unreadable(request, response) ? Routing::Handled : Routing::Unhandled;
    }

    // Refuses what does not come from its own page, or from a program on this machine, which sends no Origin.
    bool foreign(const httplib::Request& request, httplib::Response& response) const {
        const std::string host = request.get_header_value("Host"), site = request.get_header_value("Sec-Fetch-Site");
        if (request.get_header_value_count("Host") != 1 || !own_name(host)) {
            refuse(response, 403, fmt::format("found the host \"{}\", expected {}:{}", host, host_, port_));
            return true;
        }
        if (request.has_header("Origin") && request.get_header_value("Origin") != "http://" + host) {
            refuse(response, 403,
                   fmt::format("found a request from {}, expected one from this page",
                               request.get_header_value("Origin")));
            return true;
        }
        if (request.path != "/" && !site.empty() && site != "same-origin" && site != "none") {
            refuse(response, 403, fmt::format("found a {} request, expected one from this page", site));
            return true;
        }
        return false;
    }

    static bool unreadable(const httplib::Request& request, httplib::Response& response) {
        if (request.method != "GET" && request.method != "HEAD" && request.method != "POST") {
            response.set_header("Allow", "GET, HEAD, POST");
            refuse(response, 405, fmt::format("found the method {}, expected GET or POST", request.method));
            return true;
        }
        if (request.has_header("Content-Encoding")) {  // a few KB can be the compressed form of a GB
            refuse(response, 415, "found a compressed body, expected one as it is");
            return true;
        }
        if (request.method == "POST" && request.get_header_value("Content-Type") != "application/json") {
            refuse(response, 415, "expected the content type application/json");
            return true;
        }
        return false;
    }

    static void explain(httplib::Response& response, std::exception_ptr thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const Error& error) {
            refuse(response, 400, error.what());
        } catch (const viz::Interrupted&) {
            refuse_for_now(response, "the time for this request is over");
        } catch (const std::bad_alloc&) {
            refuse_for_now(response, "there is not enough memory for this request");
        } catch (const std::exception& error) {
            refuse(response, 500, error.what());
        } catch (...) {
            refuse(response, 500, "an unknown error");
        }
    }

    // What httplib itself refuses has no text yet.
    static void name_status(const httplib::Request&, httplib::Response& response) {
        if (!response.body.empty()) return;
        const int status = response.status;
        refuse(response, status,
               status == 404   ? "there is no such page"
               : status == 413 ? fmt::format("the request is too large, expected at most {} bytes", ServerLimits().body)
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
        if (!pass) refuse_for_now(response, "too many requests at a time");
        return pass;
    }

    // Why a request whose time ends then must end now, if it must.
    viz::Ended ended_at(Clock::time_point end) const {
        return [this, end]() -> const char* { return stopping_ ? "closing" : Clock::now() > end ? "time" : nullptr; };
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
        const Clock::time_point end = Clock::now() + longest_;
        {
            const Turn turn(turnstile_, end);
            if (!turn.computing()) return refuse_for_now(response, "the time for this request is over");
            viz::prompt_tokens(request, served.model, served.tokenizer);  // throws while there still is a status to set
            viz::check_edits(request.edits, served.model);
        }
        const auto held = std::make_shared<std::optional<Turnstile::Pass>>(std::move(pass));
        response.set_chunked_content_provider("application/x-ndjson", [this, &served, request, held, end](
                                                                          std::size_t, httplib::DataSink& sink) {
            const auto write = [&](const std::string& line) {
                return sink.write((line + "\n").data(), line.size() + 1);
            };
            try {
                Turn turn(turnstile_, end);
                viz::answer(
                    request, served.model, served.tokenizer,
                    [&](const std::string& line) { return turn.pause([&] { return write(line); }); }, ended_at(end));
            } catch (const std::exception& error) {  // the status is long sent
                write(json{{"error", error.what()}}.dump(-1, ' ', false, json::error_handler_t::replace));
            }
            held->reset();  // before the client sees the end and asks again
            sink.done();
            return true;
        });
    }

    void page(const httplib::Request& http, httplib::Response& response) {
        const Served& served = this->served(http);
        const viz::PageRequest request = viz::parse_page_request(http.body);
        std::optional<Turnstile::Pass> pass = enter(response);
        if (!pass) return;
        const Clock::time_point end = Clock::now() + longest_;
        const Turn turn(turnstile_, end);
        if (!turn.computing()) return refuse_for_now(response, "the time for this request is over");
        send_page(viz::trace_page(request, served.name, served.model, served.tokenizer, ended_at(end)), response,
                  std::make_shared<Turnstile::Pass>(std::move(*pass)));
    }

    std::vector<std::unique_ptr<Served>> models_;
    Turnstile turnstile_;
    std::string host_;
    const std::chrono::seconds longest_;
    int port_ = 0;
    BoundedServer server_{};
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
#ifdef __GLIBC__
    // By itself malloc keeps freed memory for each group of threads, which many threads make many.
    ::mallopt(M_ARENA_MAX, 2);
#endif
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
        ->check(whole_number(1))
        ->capture_default_str();
    command
        ->add_option("--waiting", options->waiting, "Requests that may wait; more are told to come back (status 503)")
        ->check(not_negative())
        ->capture_default_str();
    command->add_option("--seconds", options->seconds, "The longest that a request may wait and compute")
        ->check(CLI::Range(1, 86400))
        ->capture_default_str();
    command->footer(serve_footer);
    command->callback([options] { serve(*options); });
}

}  // namespace gemma
