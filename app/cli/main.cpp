// SPDX-License-Identifier: GPL-3.0-or-later
// luthier-cli: the engine without Qt.
#include "app/cli/verbs.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <map>
#include <thread>
#include <vector>

#include "app/cli/lab/lab_verbs.h"
#include "app/cli/option_words.h"
#include "engine/base/log.h"
#include "engine/base/open_files.h"
#include "engine/base/text.h"
#include "engine/config/nearest_name.h"
#include "engine/device/failure.h"
#include "engine/device/memory.h"

namespace luthier::cli {

Action add_segment(CLI::App& app);     // segment.cpp
Action add_similarity(CLI::App& app);  // similarity.cpp

namespace {

/// Never destroyed: its thread outlives main's statics.
std::stop_source& stop_source() {
  static auto* source = new std::stop_source;
  return *source;
}

/// Ctrl+C, SIGTERM and the end of the terminal (where nohup does not keep it away) are waited for
/// by a thread of their own and blocked in all others, which inherit that: a handler would run on
/// the stack of whatever thread is interrupted, and oneDNN's generated products keep their stack
/// pointer in heap memory, which such a call writes over. The first signal asks, the second one
/// ends at once (a run resumes from its newest checkpoint).
void wait_for_interrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int signal : {SIGINT, SIGTERM}) {
    std::signal(signal, SIG_DFL);  // a shell's background job is started with SIGINT ignored
    sigaddset(&signals, signal);
  }
  struct sigaction hangup {};
  if (sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
    sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::thread([signals] {
    int signal = 0;
    while (sigwait(&signals, &signal) != 0) continue;
    stop_source().request_stop();
    while (sigwait(&signals, &signal) != 0) continue;
    std::_Exit(130);
  }).detach();
}

}  // namespace

std::stop_token interrupted() { return stop_source().get_token(); }

void print_line(const std::string& line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
}

void print_json(const Json& document) {
  print_line(document.dump(2, ' ', false, Json::error_handler_t::replace));
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto place = static_cast<std::ptrdiff_t>(text.size()) - 3; place > (number < 0 ? 1 : 0);
       place -= 3)
    text.insert(static_cast<std::size_t>(place), 1, ',');
  return text;
}

namespace {

/// `status`, or that what was said did not reach where it was sent.
int written(int status) {
  std::cout.flush();  // CLI11 writes help and version there
  if (std::fflush(stdout) == 0 && !std::ferror(stdout) && std::cout) return status;
  std::fprintf(stderr, "luthier-cli: the output could not be written.\n");
  return 3;
}

/// What is wrong with the words of a verb, and where its options are told.
int refuse(const CLI::App& app, const std::function<std::string(const CLI::App&)>& fault) {
  const CLI::App* verb = &app;
  std::string words = "luthier-cli", said;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    words += " " + verb->get_name();
  }
  said = fault(*verb);
  // CLI11 says that one is required, and not which there are.
  const auto parts = verb->get_subcommands([](const CLI::App*) { return true; });
  if (verb != &app && !parts.empty() && said.find("subcommand") != std::string::npos) {
    said = words.substr(words.find(' ') + 1) + " needs one of";
    for (const CLI::App* part : parts)
      said += (part == parts.front() ? " " : ", ") + part->get_name();
    said += ".";
  }
  const std::string where = verb == &app ? "luthier-cli --help for the verbs and luthier-cli VERB "
                                           "--help for their options"
                                         : words + " --help for its options";
  std::fprintf(stderr, "luthier-cli: %s\nRun %s.\n", said.c_str(), where.c_str());
  return 2;
}

int run(int argc, char** argv) {
  CLI::App app{"Luthier: tune vision-language models, exactly and without Python."};
  app.name("luthier-cli");
  app.require_subcommand(1);
  app.set_version_flag("--version", std::string("luthier ") + LUTHIER_VERSION);
  std::map<CLI::App*, Action> actions;
  const auto verb = [&](const char* name, const char* help, Action (*add)(CLI::App&)) {
    CLI::App* sub = app.add_subcommand(name, help);
    actions[sub] = add(*sub);
  };
  verb("info", "Architecture, module tree, parameters per part, dtype and files of a checkpoint",
       add_info);
  verb("tokenize", "Token ids and pieces of a text", add_tokenize);
  verb("forward", "Logits, loss and gradients of one conversation, into a safetensors file",
       add_forward);
  verb("similarity", "How alike pictures and texts are, and how often rows find what is theirs",
       add_similarity);
  verb("segment", "Which pixels of a picture a text, or another picture, means", add_segment);
  verb("generate", "Answer an image-instruction input, with the base or with adapters",
       add_generate);
  verb("train", "Train by a recipe", add_train);
  verb("launch", "Train by a recipe in several processes of this machine", add_launch);
  verb("loss",
       "The loss, its parts and its gradients that a recipe gives some rows, into a "
       "safetensors file",
       add_loss);
  verb("plan", "Forecast the memory that a recipe takes, part by part", add_plan);
  verb("methods", "What each method would train of a model, side by side", add_methods);
  verb("compare", "Answer samples with several adapters side by side", add_compare);
  verb("attention", "Where columns looked when they came to a token of an answer", add_attention);
  verb("score", "What a reward model says of each sample's answer", add_score);
  verb("head", "Give a checkpoint a head of classes or of pairs of texts, drawn where it has none",
       add_head);
  verb("classify", "Which classes texts, words or pictures belong to", add_classify);
  verb("act", "What a robot should do next, by a picture and an instruction", add_act);
  verb("robot", "The lab's robots: OpenVLA's phases, and how well a model drives", add_robot);
  verb("data", "Look at datasets", add_data);
  verb("merge", "Merge an adapter into its base", add_merge);
  verb("merge-models", "Make one checkpoint of several, tensor by tensor", add_merge_models);
  verb("step", "One step of LoRA taken apart: matrices, gradients, the change, memory", add_step);
  verb("export", "Write a result for others: GGUF for llama.cpp and Ollama, safetensors, PEFT",
       add_export);
  verb("adapter", "What is done with adapters by themselves", add_adapter);
  verb("quantize", "Write a checkpoint with packed weights, or pack a file's tensors",
       add_quantize);
  verb("fetch", "Download a model from a hub into the Hugging Face cache", add_fetch);
  verb("models", "What is in the Hugging Face cache and in folders, and what of it can be loaded",
       add_models);
  verb("demo", "Tune the teaching model on its tasks and compare the adapters", add_demo);
  verb("teach", "Make the teaching model's data, and its checkpoint from a finished run",
       add_teach);
  verb("runs", "List, fork, extend, note, rename and remove runs, and train sweeps", add_runs);
  verb("serve", "Start, drive and find again runs that outlive who started them: JSON lines",
       add_serve);
  verb("router", "What picks one of several adapters for each request", add_router);
  verb("probe", "What a model still does where it was not trained", add_probe);
  verb("rope", "A checkpoint with scaled rotary positions, for longer texts", add_rope);
  verb("tasks", "The table of every task after every task, of a run of stages", add_tasks);
  verb("laws", "Scaling laws: a budget planned, points fitted, small decoders swept", add_laws);
  verb("advise", "Prompt, retrieve or train, and how: reasons, and comparisons that are cheap",
       add_advise);
  verb("lab",
       "Paradigms of pretraining as small runs: list, prepare, train and look at cards; and what "
       "rows bring",
       add_lab);
  verb("compose", "A tower, a connector and a language model as one checkpoint", add_compose);
  verb("gpu-check", "Prove on the card itself that it computes right, and measure it",
       add_gpu_check);
  // "help" and "help VERB …" are what --help says there.
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (!words.empty() && words.front() == "help") {
    words.erase(words.begin());
    words.emplace_back("--help");
  }
  if (!words.empty() && !words.front().starts_with('-') &&
      app.get_subcommands([&](const CLI::App* known) { return known->check_name(words.front()); })
          .empty()) {
    std::vector<std::string> known;
    for (const auto& [sub, action] : actions) known.push_back(sub->get_name());
    std::sort(known.begin(), known.end());
    const std::string near = nearest_name(words.front(), known);
    const bool close = edit_distance(near, words.front()) <= 2;
    std::fprintf(stderr,
                 "luthier-cli: there is no verb \"%s\".%s\nRun luthier-cli --help for the "
                 "verbs.\n",
                 words.front().c_str(), close ? (" Did you mean " + near + "?").c_str() : "");
    return 2;
  }
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 takes a list
    app.parse(words);
  } catch (const CLI::ParseError& problem) {
    if (problem.get_exit_code() == 0) return written(app.exit(problem));
    return refuse(app, [&](const CLI::App& given) { return refused_words(given, problem); });
  }
  const CLI::App* chosen = &app;
  while (!chosen->get_subcommands().empty()) chosen = chosen->get_subcommands().front();
  if (const auto fault = wrong_number(*chosen))
    return refuse(app, [&](const CLI::App&) { return *fault; });
  const Ending ending = actions.at(app.get_subcommands().front())();
  if (const int unwritten = written(0)) return unwritten;
  if (ending.status) return ending.exit_status;
  std::fprintf(stderr, "luthier-cli: %s\n", ending.status.error().sentence().c_str());
  return ending.status.error().exit_status();
}

/// run(), what the libraries throw as the sentence it comes to.
int run_guarded(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& problem) {
    const Error error = device_failure(problem, machine_error("Memory ran out."),
                                       machine_error(first_line(problem.what())));
    std::fprintf(stderr, "luthier-cli: %s\n", error.sentence().c_str());
    return error.exit_status();
  }
}

}  // namespace
}  // namespace luthier::cli

int main(int argc, char** argv) {
  luthier::cli::wait_for_interrupts();
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error to be told
  luthier::allow_many_open_files();
  luthier::install_counting_allocator();
  const int status = luthier::cli::run_guarded(argc, argv);
  // Nothing of ours waits for the end of main, and LibTorch would take back each of its operators,
  // which is a fifth of a second.
  std::fflush(nullptr);
  std::_Exit(status);
}
