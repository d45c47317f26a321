// SPDX-License-Identifier: GPL-3.0-or-later
// The window at its settings form, with a recipe that could be launched: where the tests of the
// form begin.
#pragma once

#include "tests/ui/driver.h"
#include "ui/widgets/banner.h"

namespace luthier::test {

inline QString object_of(const QString& key) {
  return QStringLiteral("field_") + QString(key).replace(QLatin1Char('.'), QLatin1Char('_'));
}

class FormDesk {
 protected:
  void open() {
    window_ = std::make_unique<MainWindow>();
    window_->resize(1280, 800);
    window_->show();
    QVERIFY(wait_for_window(window_.get()));
    QApplication::setActiveWindow(window_.get());
    person_ = std::make_unique<Person>(*window_);
    window_->show_page(PageId::Train);
    workspace().replace_recipe(base());
  }
  void close() {
    person_.reset();
    window_.reset();
  }

  Recipe base() const {
    Recipe recipe = default_recipe(Recipe());
    recipe.model = teaching_base()->string();
    recipe.dataset = {few_rows(desk_, "json", 4, QStringLiteral("rows.jsonl")).toStdString()};
    recipe.output_dir = desk_.run(QStringLiteral("settings")).toStdString();
    return recipe;
  }
  QLineEdit* line(const QString& key) const { return person_->find<QLineEdit>(object_of(key)); }
  QLabel* error(const QString& key) const {
    return person_->find<QLabel>(object_of(key) + QStringLiteral("_error"));
  }
  Banner* banner() const {
    return window_->page(PageId::Train)->findChild<Banner*>("banner", Qt::FindDirectChildrenOnly);
  }
  Workspace& workspace() const { return window_->workspace(); }

  Desk desk_;
  std::unique_ptr<MainWindow> window_;
  std::unique_ptr<Person> person_;
};

}  // namespace luthier::test
