// SPDX-License-Identifier: GPL-3.0-or-later
// Drives the real window through the demo, as a person would by its buttons, and saves a picture of
// each page: model.png, data.png, train.png, compare.png, runs.png, methods.png, merge.png,
// ranks.png, and of what opens beside them: inspect.png, step.png, export.png, chat.png. The
// README's pictures are made so.
#pragma once

#include <QSize>
#include <QString>
#include <functional>

namespace luthier {

class MainWindow;

class Screenshots {
 public:
  Screenshots(MainWindow& window, const QString& folder, int steps, QSize size)
      : window_(window), folder_(folder), steps_(steps), size_(size) {}
  /// 0, or 1 with a sentence on stderr of what did not come in time.
  int run();

 private:
  bool drive();
  bool show_run_tabs();
  bool show_compare_views();
  bool show_merge();
  bool show_ranks();
  bool show_dialogs();
  bool save_dialog(const char* object, const char* name);
  bool train_task(std::size_t task, bool with_picture);
  bool run_methods();
  bool click(const char* name);
  bool wait_until(const char* what, double seconds, const std::function<bool()>& done);
  void settle(int milliseconds);
  bool save(const char* name);

  MainWindow& window_;
  QString folder_, runs_;
  int steps_;
  QSize size_;
};

}  // namespace luthier
