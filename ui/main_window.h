// SPDX-License-Identifier: GPL-3.0-or-later
// The window: rail, top line, pages, bottom line. It owns the Workspace and carries what belongs to no page: shortcuts, dots in the
// rail, and what happens on closing while a run trains.
#pragma once

#include <QMainWindow>
#include <array>

#include "ui/page.h"
#include "ui/workspace.h"

class QStackedWidget;

namespace luthier {

class NavRail;

class MainWindow : public QMainWindow {
  Q_OBJECT

 public:
  explicit MainWindow(QWidget* parent = nullptr);
  ~MainWindow() override;

  Workspace& workspace() { return *workspace_; }
  Page* page(PageId id) const { return pages_[static_cast<std::size_t>(id)]; }
  PageId current() const;
  void show_page(PageId id);

 protected:
  void closeEvent(QCloseEvent* event) override;

 private:
  void make_shortcuts();
  void launch();
  void open_folder();

  std::unique_ptr<Workspace> workspace_;
  NavRail* rail_;
  QStackedWidget* stack_;
  std::array<Page*, kPageCount> pages_{};
};

}  // namespace luthier
