// SPDX-License-Identifier: GPL-3.0-or-later
// `laws sweep`: small decoders trained on the spot, the laws fitted to them, the next size forecast
// and held against its run.
#include <cmath>
#include <cstdio>
#include <memory>

#include "app/cli/lab/laws.h"
#include "engine/lab/law_sweep.h"
#include "engine/session/headless.h"

namespace luthier::cli {

namespace {

struct SweepVerb {
  std::string folder;
  std::vector<std::string> sizes, tokens;
  std::string next_size, next_tokens, device = "auto";
  LawSweepOptions sweep;
  bool json = false;
};

/// Whole numbers out of "64K,128K".
Result<std::vector<std::int64_t>> whole_amounts(const std::vector<std::string>& texts,
                                                const char* option) {
  std::vector<std::int64_t> numbers;
  for (const std::string& text : texts) {
    LUTHIER_TRY(const double amount, parse_amount(text, option));
    if (amount > 1e15 || amount < 1)
      return input_error("\"" + text + "\" is no number from 1 to 1e15.", option);
    numbers.push_back(static_cast<std::int64_t>(std::llround(amount)));
  }
  return numbers;
}

std::string loss_text(const std::optional<double>& loss) {
  return loss ? number_text("%.4f", *loss) : std::string("-");
}

void show_sweep(const LawSweep& sweep) {
  print_line("run                      weights       tokens     loss   seconds");
  const auto line = [](const SweepRun& run) {
    char text[120];
    std::snprintf(text, sizeof text, "%-20s %11s %12s %8s %9.1f", run.name.c_str(),
                  grouped(run.size.weights()).c_str(), grouped(run.tokens).c_str(),
                  loss_text(run.loss).c_str(), run.seconds);
    print_line(text);
  };
  for (const SweepRun& run : sweep.runs) line(run);
  print_line("no model falls below " + number_text("%.4f", sweep.floor) +
             ", which the language's own tables leave open");
  if (sweep.whole && sweep.envelope && sweep.parabolas)
    show(ThreeFits{*sweep.whole, *sweep.envelope, *sweep.parabolas});
  if (sweep.next) {
    const HeldForecast& next = *sweep.next;
    std::string text = next.run.name + ": forecast " + number_text("%.4f", next.forecast);
    if (next.interval.known)
      text += " (" + number_text("%.4f", next.interval.low) + " to " +
              number_text("%.4f", next.interval.high) + ")";
    if (next.run.loss)
      text += ", it came to " + number_text("%.4f", *next.run.loss) + " (" +
              number_text("%+.2f", 100 * (*next.run.loss / next.forecast - 1)) + " %)";
    print_line(text);
  }
  for (const std::string& name : sweep.left_out)
    print_line(name + ": left out, since the minutes are used up; the same command goes on");
}

Status sweep_verb(SweepVerb& o) {
  if (!o.sizes.empty()) {
    LUTHIER_TRY(o.sweep.widths, whole_amounts(o.sizes, "--sizes"));
  }
  if (!o.tokens.empty()) {
    LUTHIER_TRY(o.sweep.tokens, whole_amounts(o.tokens, "--tokens"));
  }
  const auto one = [](const std::string& text, const char* option, std::int64_t& number) -> Status {
    if (text.empty()) return {};
    LUTHIER_TRY(const auto numbers, whole_amounts({text}, option));
    number = numbers.front();
    return {};
  };
  LUTHIER_CHECK(one(o.next_size, "--next-size", o.sweep.next_width));
  LUTHIER_CHECK(one(o.next_tokens, "--next-tokens", o.sweep.next_tokens));
  SweepHost host;
  host.go_on = [] { return !interrupted().stop_requested(); };
  host.tell = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); };
  host.train = [&o](const Recipe& recipe, const std::optional<std::filesystem::path>& run) {
    Recipe here = recipe;
    here.training.device = o.device;
    return train_headless(here, run, {}, interrupted());
  };
  LUTHIER_TRY(const LawSweep sweep, run_law_sweep(o.folder, o.sweep, host));
  if (o.json)
    print_json(luthier::to_json(sweep));
  else
    show_sweep(sweep);
  return {};
}

}  // namespace

std::function<Status()> add_laws_sweep(CLI::App& app) {
  const auto o = std::make_shared<SweepVerb>();
  app.add_option("OUTDIR", o->folder, "The sweep's folder; one that is there is gone on with")
      ->required();
  app.add_option("--sizes", o->sizes,
                 "Widths of the decoders, in steps of 8 (default: 16,24,32,48)")
      ->delimiter(',');
  app.add_option(
         "--tokens", o->tokens,
         "Tokens that each size is trained on (default: 64K,128K,256K,512K in powers of two)")
      ->delimiter(',');
  app.add_option("--minutes", o->sweep.minutes,
                 "Of this call; runs that would not end in it are left for the next")
      ->check(CLI::Range(0.05, 100'000.0))
      ->capture_default_str();
  app.add_option("--next-size", o->next_size,
                 "The width that is forecast (default: as much wider as the last is)");
  app.add_option("--next-tokens", o->next_tokens,
                 "The tokens that it is trained on (default: the most)");
  app.add_option("--rows-a-step", o->sweep.rows_a_step, "Rows of 63 tokens that a step learns from")
      ->capture_default_str();
  app.add_option("--learning-rate", o->sweep.learning_rate,
                 "Of width 32; it falls as the width grows")
      ->capture_default_str();
  app.add_option("--device", o->device, "auto, cpu, cuda or cuda:N")->capture_default_str();
  app.add_flag("--json", o->json, "One JSON document on stdout");
  add_fit_options(app, o->sweep.fit);
  return [o]() -> Status {
    o->sweep.seed = o->sweep.fit.seed;
    return sweep_verb(*o);
  };
}

}  // namespace luthier::cli
