// SPDX-License-Identifier: GPL-3.0-or-later
// Drives the real window through the demo, as a person would by its buttons, and saves a picture of
// each page and state in every look (picture_looks.h): pages before there is anything, a model, its
// data, a run that goes on, is paused, asked and stopped, past runs and those that wait, methods,
// comparisons, merges, ranks, and the windows that stand beside the pages. The README's and the
// guide's pictures are made so.
#pragma once

#include <QString>
#include <functional>

#include "app/gui/picture_looks.h"
#include "engine/base/result.h"

class QAction;

namespace luthier {

class MainWindow;
class Workspace;

class Screenshots {
 public:
  Screenshots(MainWindow& window, PictureLooks& looks, int steps)
      : window_(window), looks_(looks), steps_(steps) {}
  /// 0, or 1 with a sentence on stderr of what did not come in time, or of a path that was shown.
  int run();

 private:
  bool drive();
  bool show_empty_pages();
  bool show_model();
  bool show_data();
  bool show_row_tools();
  bool show_annotation();
  bool show_settings();
  bool show_run();
  bool show_roll_outs();
  bool show_runs();
  bool show_queue();
  bool show_methods();
  bool show_compare();
  bool show_compare_views();
  bool show_merge();
  bool show_ranks();
  bool show_lab();
  bool show_laws();
  bool show_composer();
  bool show_advice();
  bool show_dialogs();
  bool show_interrupted();
  bool show_sizes_of_words();

  /// A teaching task in the form, under names that anybody may see.
  bool open(std::size_t task);
  /// Waits for the forecast, launches, and waits until the run has begun.
  bool launch();
  bool wait_for_end();
  bool run_is_at(double share) const;
  bool click(const char* name);
  /// A menu's entry; false where there is none that can be chosen.
  bool choose(const char* action);
  void turn(const char* tabs, int to);
  bool wait_until(const char* what, const std::function<bool()>& done);
  bool save(const char* name);
  /// A window of its own, which is closed again.
  bool save_dialog(const char* object, const char* name);
  bool fail(const QString& why) const;

  MainWindow& window_;
  PictureLooks& looks_;
  int steps_;
};

}  // namespace luthier
