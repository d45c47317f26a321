// SPDX-License-Identifier: GPL-3.0-or-later
// Making the teaching default: data and skeleton, the tasks' rows, and the float16 base from a
// finished pretraining.
#include <cstdio>
#include <memory>

#include "app/cli/verbs.h"
#include "engine/teaching/make.h"

namespace luthier::cli {

namespace {

bool show_progress(const char* what, int done, int total) {
  if (done % 8000 == 0)
    std::fprintf(stderr, "%s: %s of %s\n", what, grouped(done).c_str(), grouped(total).c_str());
  return !interrupted().stop_requested();
}

}  // namespace

Action add_teach(CLI::App& app) {
  struct TeachOptions {
    TeachingMakeOptions make;
    std::string work, teaching, model, base;
  };
  const auto o = std::make_shared<TeachOptions>();
  app.require_subcommand(1);
  CLI::App* data = app.add_subcommand(
      "data", "Writes skeleton/ (config and tokenizer) and pretrain/ (rows and pictures)");
  data->add_option("DIR", o->work, "A work folder")->required();
  data->add_option("--rows", o->make.pretrain_rows, "Pretraining rows")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  data->add_flag("!--no-lessons", o->make.lessons,
                 "All rows of full difficulty, for going on with a trained model");
  data->add_flag("--late", o->make.late,
                 "Mostly questions that are learned late: where, what colour, how many");
  data->add_option("--seed", o->make.seed, "Of all that is drawn")->capture_default_str();
  CLI::App* tasks = app.add_subcommand("tasks", "Writes the tuning tasks' rows and pictures");
  tasks->add_option("DIR", o->teaching, "resources/teaching")->required();
  tasks->add_option("--train-rows", o->make.train_rows, "Of each task")
      ->capture_default_str()
      ->check(CLI::Range(2, 1'000'000));
  tasks->add_option("--heldout-rows", o->make.heldout_rows, "Of each task")
      ->capture_default_str()
      ->check(CLI::Range(1, 1'000'000));
  tasks->add_option("--seed", o->make.seed, "Of all that is drawn")->capture_default_str();
  CLI::App* finish = app.add_subcommand("finish", "Rounds a trained checkpoint to float16");
  finish->add_option("MODEL", o->model, "The trained checkpoint's folder")->required();
  finish->add_option("--out", o->base, "Where the base goes")->required();
  return [o, data, tasks]() -> Status {
    if (data->parsed()) return make_pretraining(o->work, o->make, show_progress);
    if (tasks->parsed()) return make_tasks(o->teaching, o->make);
    return finish_base(o->model, o->base);
  };
}

}  // namespace luthier::cli
