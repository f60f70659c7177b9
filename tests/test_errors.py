import servemark.errors as errors


def test_the_tree_in_the_docstring_is_the_tree():
    drawn = {
        line.split("──")[-1].split()[0]
        for line in errors.__doc__.splitlines()
        if "──" in line or line.strip().startswith("ServemarkError")
    }
    real = {
        n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.ServemarkError)
    }
    assert drawn == real


def test_one_line_with_path_expected_found_and_nearest():
    error = errors.UnknownName("gpu", kind="a GPU", name="l40z", known=["l40s", "l40", "h100-sxm"])
    assert str(error) == "gpu: expected a GPU, found 'l40z'; nearest: l40, l40s"
    assert error.exit_code == 2


def test_nearest_ignores_case_spaces_and_dashes():
    assert errors.nearest_names("RTX 4090", ["rtx-4090", "rtx-3090"])[0] == "rtx-4090"


def test_missing_extra_says_what_to_install():
    assert "pip install 'servemark[engine]'" in str(errors.MissingExtra("xllamacpp", "engine"))


def test_few_names_are_all_named_where_none_is_near():
    few = errors.UnknownName("traffic", kind="a traffic profile", name="xyzzy", known=["chat", "rag"])
    assert few.nearest == ("chat", "rag")
    many = errors.UnknownName("gpu", kind="a GPU", name="xyzzy", known=[f"gpu{i}" for i in range(13)])
    assert many.nearest == ()
