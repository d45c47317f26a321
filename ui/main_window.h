// SPDX-License-Identifier: GPL-3.0-or-later
// The window: rail, top line, pages, bottom line. It owns the Workspace and carries what belongs to
// no page: shortcuts, dots in the rail, the interrupted run that is offered at the start, and what
// happens on closing while a run trains.
#pragma once

#include <QMainWindow>
#include <array>
#include <deque>
#include <functional>

#include "ui/page.h"
#include "ui/workspace.h"

class QStackedWidget;

namespace luthier {

class Banner;
class HelpWindow;
class NavRail;
class StopQuestion;
class Tour;

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  explicit MainWindow(QWidget* parent = nullptr);
  ~MainWindow() override;

  Workspace& workspace() { return *workspace_; }
  Page* page(PageId id) const { return pages_[static_cast<std::size_t>(id)]; }
  PageId current() const;
  void show_page(PageId id);
  /// The Runs page with what waits.
  void show_queue();
  /// Goes on with an interrupted run, as soon as nothing is being loaded.
  void resume_when_free(const QString& folder);
  /// Offers nothing at the start: for a window that is driven.
  void keep_quiet() { quiet_ = true; }
  /// Says something over whatever page is shown, after what is being said there.
  void tell(std::function<void(Banner&)> show);
  /// Help on the setting that has the keyboard, else on the page.
  void show_help();
  HelpWindow* help() const { return help_; }
  void start_tour();
  Tour* tour() const { return tour_; }
  /// A first size that fits on a screen of this size with a frame around it.
  static QSize first_size(const QSize& available);

 signals:
  /// It was to be closed, and is not: the person goes on, or something went wrong on the way.
  void stays();
  void page_shown(luthier::PageId page);

 protected:
  void closeEvent(QCloseEvent* event) override;
  void showEvent(QShowEvent* event) override;

 private:
  void make_shortcuts();
  void show_shortcuts();
  void tell_next();
  void launch();
  void open_folder();
  void ask_stop();
  void stay();
  void offer_interrupted(const RunSummary& run);

  std::unique_ptr<Workspace> workspace_;
  NavRail* rail_;
  QStackedWidget* stack_;
  std::array<Page*, kPageCount> pages_{};
  Banner* offer_;
  std::deque<std::function<void(Banner&)>> to_tell_;
  HelpWindow* help_ = nullptr;
  Tour* tour_ = nullptr;
  bool quiet_ = false, shown_ = false, closing_ = false;
};

}  // namespace luthier
